//! The published data sets: their files, what the files' checksums are, and who serves them.
//!
//! File names, checksums and the first of each set's mirrors are those of torchvision
//! (`torchvision/datasets/mnist.py` of `pytorch/vision`). The checksums are MD5 because that is
//! what is published: enough against damage and against another file of the same name, not
//! against somebody who wants to deceive.

/// Classes of every known set.
pub const CLASSES: usize = 10;

/// What is said of a data set.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Training samples, of which some may be held out.
    pub training: usize,
    /// Test samples.
    pub test: usize,
    /// Height and width of a sample, an image of bytes.
    pub size: [usize; 2],
    /// Who described it, and when; empty where nobody in particular did.
    pub paper: &'static str,
    /// What the samples show, in a few words.
    pub samples: &'static str,
}

/// A published data set.
#[derive(Debug)]
pub struct Known {
    /// Its name here.
    pub name: &'static str,
    /// What is said of it.
    pub about: About,
    /// Addresses of directories that have the files, the best first.
    pub mirrors: &'static [&'static str],
    /// Training images, training labels, test images, test labels.
    pub files: [KnownFile; 4],
}

/// A file of a published data set.
#[derive(Debug)]
pub struct KnownFile {
    /// Its name as it is published, packed with gzip.
    pub name: &'static str,
    /// The MD5 of its bytes, the first byte highest.
    pub md5: u128,
}

/// The known sets.
pub const KNOWN: &[Known] = &[
    Known {
        name: "mnist",
        about: About {
            training: 60_000,
            test: 10_000,
            size: [28, 28],
            paper: "LeCun et al. 1998",
            samples: "handwritten digits",
        },
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            // What TensorFlow's data sets use.
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            // The authors' own page, which lets few programs in any more.
            "http://yann.lecun.com/exdb/mnist/",
        ],
        files: files([
            0xf68b_3c2d_cbea_aa9f_bdd3_48bb_deb9_4873,
            0xd53e_105e_e54e_a407_49a0_9fcb_cd1e_9432,
            0x9fb6_29c4_1895_51a2_d022_fa33_0f95_73f3,
            0xec29_112d_d5af_a061_1ce8_0d1b_7f02_629c,
        ]),
    },
    Known {
        name: "fashion-mnist",
        about: About {
            training: 60_000,
            test: 10_000,
            size: [28, 28],
            paper: "Xiao et al. 2017",
            samples: "articles of clothing",
        },
        mirrors: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            // The authors' repository.
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        files: files([
            0x8d4f_b7e6_c68d_591d_4c3d_fef9_ec88_bf0d,
            0x25c8_1989_df18_3df0_1b3e_8a0a_ad5d_ffbe,
            0xbef4_ecab_320f_06d8_554e_a638_0940_ec79,
            0xbb30_0cfd_ad3c_16e7_a12a_480e_e83c_d310,
        ]),
    },
];

/// All sets are published under the names of MNIST's files.
const fn files(md5: [u128; 4]) -> [KnownFile; 4] {
    [
        KnownFile { name: "train-images-idx3-ubyte.gz", md5: md5[0] },
        KnownFile { name: "train-labels-idx1-ubyte.gz", md5: md5[1] },
        KnownFile { name: "t10k-images-idx3-ubyte.gz", md5: md5[2] },
        KnownFile { name: "t10k-labels-idx1-ubyte.gz", md5: md5[3] },
    ]
}

/// The known set of this name.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|set| set.name == name)
}

/// The known set that has a file of this MD5.
pub fn owner(md5: u128) -> Option<&'static Known> {
    KNOWN.iter().find(|set| set.files.iter().any(|file| file.md5 == md5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_files_have_one_checksum() {
        let mut all: Vec<u128> =
            KNOWN.iter().flat_map(|set| set.files.iter().map(|file| file.md5)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), count), (8, 8));
    }

    #[test]
    fn mirrors_are_directories() {
        for mirror in KNOWN.iter().flat_map(|set| set.mirrors) {
            assert!(mirror.starts_with("http") && mirror.ends_with('/'), "{mirror}");
        }
    }

    #[test]
    fn a_file_tells_its_set_by_its_checksum() {
        assert_eq!(owner(KNOWN[1].files[3].md5).unwrap().name, "fashion-mnist");
        assert!(owner(1).is_none() && known("synthetic").is_none());
    }
}

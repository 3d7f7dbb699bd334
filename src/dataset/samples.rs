//! Samples in memory.

/// The samples of one part of a data set.
#[derive(Clone, PartialEq, Eq)]
pub struct Samples {
    width: usize,
    inputs: Vec<u8>,
    labels: Vec<u8>,
}

/// A data set, split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Its name, one of [`NAMES`](super::NAMES).
    pub name: String,
    /// Labels are below this.
    pub classes: usize,
    /// What is trained on.
    pub training: Samples,
    /// What choices between runs are made on, where it was asked for.
    pub validation: Option<Samples>,
    /// What nothing is chosen on.
    pub test: Samples,
}

impl DataSet {
    /// Bytes of all samples and labels.
    pub fn bytes(&self) -> usize {
        let parts = [Some(&self.training), self.validation.as_ref(), Some(&self.test)];
        parts.into_iter().flatten().map(|part| part.len() * (part.width + 1)).sum()
    }
}

impl Samples {
    /// Samples of `width` bytes each, one after the other, and the class of each.
    ///
    /// # Panics
    /// If there are not `width` bytes for each label.
    pub fn new(width: usize, inputs: Vec<u8>, labels: Vec<u8>) -> Self {
        assert_eq!(
            Some(inputs.len()),
            width.checked_mul(labels.len()),
            "{} labels of {width} bytes each",
            labels.len()
        );
        Samples { width, inputs, labels }
    }

    /// Numbers of a sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of a sample; the number that a byte stands for is byte / 255.
    ///
    /// # Panics
    /// If there are not so many samples.
    pub fn input(&self, index: usize) -> &[u8] {
        assert!(index < self.len(), "sample {index} of {}", self.len());
        &self.inputs[index * self.width..(index + 1) * self.width]
    }

    /// Writes the numbers that a sample's bytes stand for.
    ///
    /// # Panics
    /// If there are not so many samples, or `numbers` is not as long as one.
    pub fn read(&self, index: usize, numbers: &mut [f32]) {
        let bytes = self.input(index);
        assert_eq!(numbers.len(), bytes.len(), "a number for each byte");
        for (x, &byte) in numbers.iter_mut().zip(bytes) {
            *x = f32::from(byte) / 255.0;
        }
    }

    /// The class of a sample.
    ///
    /// # Panics
    /// If there are not so many samples.
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// Takes the samples from `first` on away, and returns them.
    pub(super) fn split_off(&mut self, first: usize) -> Self {
        Samples {
            width: self.width,
            inputs: self.inputs.split_off(first * self.width),
            labels: self.labels.split_off(first),
        }
    }
}

/// How many there are: the bytes would fill screens.
impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples of {} bytes", self.len(), self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_own_bytes_and_label() {
        let mut samples = Samples::new(2, vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9]);
        let last = samples.split_off(2);
        assert_eq!((samples.len(), last.len(), last.is_empty()), (2, 1, false));
        assert_eq!((samples.input(1), samples.label(1)), (&[3, 4][..], 8));
        assert_eq!((last.input(0), last.label(0), last.width()), (&[5, 6][..], 9, 2));
        assert_eq!(format!("{last:?}"), "1 samples of 2 bytes");
    }

    #[test]
    #[should_panic(expected = "2 labels of 3 bytes each")]
    fn bytes_that_do_not_fit_the_labels_are_a_fault_of_the_program() {
        Samples::new(3, vec![0; 5], vec![0; 2]);
    }
}

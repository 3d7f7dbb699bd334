//! Pictures of an episode as a file that a person can look at.

mod animation;
mod strip;

use std::path::{Path, PathBuf};

use es_envs::Picture;

use self::animation::Animation;
use self::strip::Strip;
use super::{RecordError, write_atomically};

/// A film in the making. The file appears when it is finished, whole.
pub struct Film {
    path: PathBuf,
    /// Width and height of the first picture.
    size: Option<(usize, usize)>,
    kind: Kind,
}

enum Kind {
    Gif(Animation),
    Png(Strip),
}

/// Why a film could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// Neither of the two kinds of file.
    #[error("{0}: expected a name that ends in .gif (a film) or .png (a strip of frames)")]
    Extension(PathBuf),
    /// A picture that cannot be part of it.
    #[error("{path}: {reason}")]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with the picture.
        reason: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Film {
    /// A film whose kind follows from the file's extension, of an episode that can be seen `moments`
    /// times, so many of them to a second.
    ///
    /// # Errors
    /// If it is another extension.
    pub fn new(path: &Path, frames_per_second: f64, moments: usize) -> Result<Self, FilmError> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let kind = match extension.as_deref() {
            Some("gif") => Kind::Gif(Animation::new(frames_per_second)),
            Some("png") => Kind::Png(Strip::new(moments)),
            _ => return Err(FilmError::Extension(path.to_owned())),
        };
        Ok(Film { path: path.to_owned(), size: None, kind })
    }

    /// Whether the episode's next moment belongs in the film: a picture may take long to draw. If so,
    /// [`Film::add`] it.
    pub fn wants_next(&mut self) -> bool {
        match &mut self.kind {
            Kind::Gif(animation) => animation.wants_next(),
            Kind::Png(strip) => strip.wants_next(),
        }
    }

    /// The film, if the episode's next moment belongs in it.
    pub fn wanting(&mut self) -> Option<&mut Self> {
        self.wants_next().then_some(self)
    }

    /// Adds the picture of the moment that was just wanted.
    ///
    /// # Errors
    /// If it has another size than the first, or one that no such file can have.
    pub fn add(&mut self, picture: &Picture) -> Result<(), FilmError> {
        let Picture { width, height, rgb } = picture;
        let wrong = |reason| FilmError::Picture { path: self.path.clone(), reason };
        let size = *self.size.get_or_insert((*width, *height));
        if size != (*width, *height) {
            let (first, second) = size;
            return Err(wrong(format!(
                "a picture is {width} x {height}, expected {first} x {second} like the first"
            )));
        }
        let limit = usize::from(u16::MAX);
        if rgb.len() != 3 * width * height || !(1..=limit).contains(width.max(height)) {
            return Err(wrong(format!("a picture of {width} x {height} with {} bytes", rgb.len())));
        }
        match &mut self.kind {
            Kind::Gif(animation) => animation.add(picture).map_err(wrong),
            Kind::Png(strip) => {
                strip.add(picture);
                Ok(())
            }
        }
    }

    /// What the file would hold.
    ///
    /// # Errors
    /// If there is no picture.
    pub fn into_bytes(self) -> Result<Vec<u8>, FilmError> {
        let wrong = |reason| FilmError::Picture { path: self.path.clone(), reason };
        let bytes = match self.kind {
            Kind::Gif(animation) => animation.finish(),
            Kind::Png(strip) => strip.finish(),
        };
        bytes.map_err(wrong)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If there is no picture or the file system refuses.
    pub fn finish(self) -> Result<(), FilmError> {
        let path = self.path.clone();
        Ok(write_atomically(&path, &self.into_bytes()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_extensions_and_pictures_of_changing_size_are_refused() {
        let error = Film::new(Path::new("film.mp4"), 30.0, 9).err().unwrap().to_string();
        assert!(error.contains("film.mp4") && error.contains(".gif"), "{error}");

        let mut film = Film::new(Path::new("film.GIF"), 30.0, 9).unwrap();
        assert!(film.wants_next());
        film.add(&Picture { width: 2, height: 1, rgb: vec![0; 6] }).unwrap();
        let error = film.add(&Picture { width: 1, height: 1, rgb: vec![0; 3] }).unwrap_err();
        assert!(error.to_string().contains("1 x 1, expected 2 x 1"), "{error}");
        let error = film.add(&Picture { width: 2, height: 1, rgb: vec![0; 5] }).unwrap_err();
        assert!(error.to_string().contains("5 bytes"), "{error}");
    }

    #[test]
    fn a_film_without_pictures_is_an_error() {
        for name in ["a.gif", "a.png"] {
            let error = Film::new(Path::new(name), 30.0, 9).unwrap().finish().unwrap_err();
            assert!(error.to_string().contains("no picture"), "{error}");
        }
    }
}

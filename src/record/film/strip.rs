//! A few frames of an episode side by side, as a PNG.

use es_envs::Picture;

/// Frames of a finished strip.
const FRAMES: usize = 8;

/// Widest strip, in pixels; a wider one is shrunk by a whole factor.
const WIDEST: usize = 4000;

/// A strip in the making. How long the episode is is not known before its end: every `stride`-th
/// picture is kept, and the stride doubles when there are too many.
#[derive(Default)]
pub(super) struct Strip {
    kept: Vec<Picture>,
    last: Option<Picture>,
    /// Pictures so far.
    pictures: usize,
    /// Doublings of the stride.
    doublings: u32,
}

impl Strip {
    pub fn add(&mut self, picture: &Picture) {
        if self.pictures.is_multiple_of(1 << self.doublings) {
            if self.kept.len() == 4 * FRAMES {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.doublings += 1;
            }
            if self.pictures.is_multiple_of(1 << self.doublings) {
                self.kept.push(picture.clone());
            }
        }
        self.pictures += 1;
        self.last = Some(picture.clone());
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Result<Vec<u8>, String> {
        let last = self.last.take().ok_or("there is no picture to show")?;
        let stride = 1 << self.doublings;
        // Frames evenly over the episode, the first and the last among them.
        let wanted = FRAMES.min(self.pictures);
        let mut frames: Vec<&Picture> = (0..wanted - 1)
            .map(|i| {
                let index = (i * (self.pictures - 1)) as f64 / (wanted - 1) as f64;
                let nearest = (index / f64::from(stride)).round() as usize;
                &self.kept[nearest.min(self.kept.len() - 1)]
            })
            .collect();
        frames.push(&last);

        let factor = (frames.len() * last.width).div_ceil(WIDEST);
        let small: Vec<Picture> = frames.into_iter().map(|frame| shrink(frame, factor)).collect();
        let (width, height) = (small[0].width, small[0].height);
        let mut rgb = Vec::with_capacity(3 * small.len() * width * height);
        for row in 0..height {
            for frame in &small {
                rgb.extend_from_slice(&frame.rgb[3 * width * row..3 * width * (row + 1)]);
            }
        }
        encode(small.len() * width, height, &rgb).map_err(|error| error.to_string())
    }
}

/// The mean of each square of `factor` by `factor` pixels; what is left over at the edges is cut.
fn shrink(picture: &Picture, factor: usize) -> Picture {
    let (width, height) = ((picture.width / factor).max(1), (picture.height / factor).max(1));
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in 0..height {
        for column in 0..width {
            for channel in 0..3 {
                let rows = (row * factor..(row + 1) * factor).filter(|y| *y < picture.height);
                let sum: usize = rows
                    .map(|y| {
                        let columns = column * factor..(column + 1) * factor;
                        let at = |x: usize| picture.rgb[3 * (y * picture.width + x) + channel];
                        let inside = columns.filter(|x| *x < picture.width);
                        inside.map(|x| usize::from(at(x))).sum::<usize>()
                    })
                    .sum();
                rgb.push((sum / (factor * factor)) as u8);
            }
        }
    }
    Picture { width, height, rgb }
}

fn encode(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(rgb)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of one colour that tells its number.
    fn picture(number: usize, width: usize) -> Picture {
        let pixel = [number as u8, (number / 256) as u8, 7];
        Picture { width, height: 6, rgb: pixel.repeat(width * 6) }
    }

    /// Width of the strip, and the numbers of its pictures.
    fn strip(pictures: usize, width: usize) -> (usize, Vec<usize>) {
        let mut strip = Strip::default();
        (0..pictures).for_each(|number| strip.add(&picture(number, width)));
        let bytes = strip.finish().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        let frames = pictures.min(FRAMES);
        let each = info.width as usize / frames;
        let number = |at: usize| usize::from(rgb[3 * at]) + 256 * usize::from(rgb[3 * at + 1]);
        (info.width as usize, (0..frames).map(|frame| number(frame * each + each / 2)).collect())
    }

    #[test]
    fn frames_are_spread_evenly_from_the_first_to_the_last() {
        assert_eq!(strip(1, 5), (5, vec![0]));
        assert_eq!(strip(3, 5), (15, vec![0, 1, 2]));
        assert_eq!(strip(8, 5), (40, (0..8).collect()));
        for pictures in [9, 33, 64, 500, 1001] {
            let (width, numbers) = strip(pictures, 5);
            assert_eq!((width, numbers[0], numbers[7]), (40, 0, pictures - 1));
            for (i, number) in numbers.iter().enumerate() {
                let exact = (i * (pictures - 1)) as f64 / 7.0;
                let off = (*number as f64 - exact).abs();
                assert!(off <= 1.0 + pictures as f64 / 32.0, "{pictures}: {numbers:?}");
            }
        }
    }

    #[test]
    fn a_wide_strip_is_shrunk() {
        let (width, numbers) = strip(8, 1200);
        assert_eq!((width, numbers), (8 * 400, (0..8).collect()));
    }
}

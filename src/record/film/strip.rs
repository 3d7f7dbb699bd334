//! A few frames of an episode side by side, as a PNG.

use es_envs::Picture;

/// Frames of a finished strip.
const FRAMES: usize = 8;

/// Widest strip, in pixels; a wider one is shrunk by a whole factor.
const WIDEST: usize = 4000;

/// A strip in the making.
pub(super) struct Strip {
    /// How many moments the episode has.
    moments: usize,
    /// Moments so far.
    seen: usize,
    frames: Vec<Picture>,
}

impl Strip {
    pub fn new(moments: usize) -> Self {
        Strip { moments, seen: 0, frames: Vec::new() }
    }

    /// Whether the next moment is one of a few, evenly from the first to the last.
    pub fn wants_next(&mut self) -> bool {
        let moment = self.seen;
        self.seen += 1;
        let (wanted, last) = (FRAMES.min(self.moments), self.moments.saturating_sub(1));
        (0..wanted).any(|i| moment == (i * last + (wanted - 1) / 2) / (wanted - 1).max(1))
    }

    pub fn add(&mut self, picture: &Picture) {
        self.frames.push(picture.clone());
    }

    /// The bytes of the file.
    pub fn finish(self) -> Result<Vec<u8>, String> {
        let frames = self.frames;
        let width = frames.first().ok_or("there is no picture to show")?.width;
        let factor = (frames.len() * width).div_ceil(WIDEST);
        let small: Vec<Picture> = frames.iter().map(|frame| shrink(frame, factor)).collect();
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
        let mut strip = Strip::new(pictures);
        for number in 0..pictures {
            if strip.wants_next() {
                strip.add(&picture(number, width));
            }
        }
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
                assert!(off <= 1.0, "{pictures}: {numbers:?}");
            }
        }
    }

    #[test]
    fn a_wide_strip_is_shrunk() {
        let (width, numbers) = strip(8, 1200);
        assert_eq!((width, numbers), (8 * 400, (0..8).collect()));
    }
}

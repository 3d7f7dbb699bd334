//! A film that loops, as a GIF.

use es_envs::Picture;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

/// Viewers slow a film down whose frames last less than two hundredths of a second.
const SHORTEST: f64 = 0.02;

/// Hundredths of a second for which the last frame stands before the film starts again.
const LAST: u16 = 100;

/// How hard the encoder tries to find 256 colours in a frame that has more: 1 is best, 30 fastest.
const SPEED: i32 = 10;

/// A film in the making.
pub(super) struct Animation {
    frames_per_second: f64,
    /// Moments so far, those left out included.
    moments: u64,
    /// Hundredths of a second from the start to the last of them.
    at: u64,
    encoder: Option<Encoder<Vec<u8>>>,
    /// The last picture that was kept: it is written when the next one says how long it stands.
    pending: Option<Pending>,
    /// What a viewer sees after all frames that are written.
    shown: Vec<u8>,
}

struct Pending {
    picture: Picture,
    /// Hundredths of a second since the start.
    at: u64,
}

impl Animation {
    pub fn new(frames_per_second: f64) -> Self {
        Animation {
            frames_per_second,
            moments: 0,
            at: 0,
            encoder: None,
            pending: None,
            shown: Vec::new(),
        }
    }

    /// Whether the next moment can be shown: not if it follows the last one too fast.
    pub fn wants_next(&mut self) -> bool {
        self.at = (100.0 * self.moments as f64 / self.frames_per_second).round() as u64;
        self.moments += 1;
        let last = self.pending.as_ref();
        last.is_none_or(|last| (self.at - last.at) as f64 >= 100.0 * SHORTEST)
    }

    /// Adds the picture of the moment that was just wanted.
    pub fn add(&mut self, picture: &Picture) -> Result<(), String> {
        if let Some(pending) = &self.pending {
            let lasts = (self.at - pending.at).min(u64::from(u16::MAX));
            self.write_pending(lasts as u16)?;
        }
        self.pending = Some(Pending { picture: picture.clone(), at: self.at });
        Ok(())
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Result<Vec<u8>, String> {
        self.write_pending(LAST)?;
        let encoder = self.encoder.ok_or("there is no picture to show")?;
        encoder.into_inner().map_err(|error| error.to_string())
    }

    fn write_pending(&mut self, delay: u16) -> Result<(), String> {
        let Some(Pending { picture, .. }) = self.pending.take() else { return Ok(()) };
        let [left, top, width, height] = changed(&self.shown, &picture);
        let mut rgb = Vec::with_capacity(3 * width * height);
        for row in top..top + height {
            let start = 3 * (row * picture.width + left);
            rgb.extend_from_slice(&picture.rgb[start..start + 3 * width]);
        }
        let mut frame = Frame::from_rgb_speed(width as u16, height as u16, &rgb, SPEED);
        (frame.left, frame.top, frame.delay) = (left as u16, top as u16, delay);
        frame.dispose = DisposalMethod::Keep;
        if self.encoder.is_none() {
            let (width, height) = (picture.width as u16, picture.height as u16);
            let encoder = Encoder::new(Vec::new(), width, height, &[]);
            let mut encoder = encoder.map_err(|error| error.to_string())?;
            encoder.set_repeat(Repeat::Infinite).map_err(|error| error.to_string())?;
            self.encoder = Some(encoder);
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.write_frame(&frame).map_err(|error| error.to_string())?;
        }
        self.shown = picture.rgb;
        Ok(())
    }
}

/// Left, top, width and height of the smallest rectangle that holds every pixel that differs from
/// what is shown: all of the first picture, one pixel if nothing differs.
fn changed(shown: &[u8], picture: &Picture) -> [usize; 4] {
    let Picture { width, height, rgb } = picture;
    if shown.len() != rgb.len() {
        return [0, 0, *width, *height];
    }
    let (mut left, mut right, mut top, mut bottom) = (*width, 0, *height, 0);
    for row in 0..*height {
        let line = 3 * width * row..3 * width * (row + 1);
        let (before, now) = (&shown[line.clone()], &rgb[line]);
        if before == now {
            continue;
        }
        let differs = |column: &usize| {
            let pixel = 3 * column..3 * column + 3;
            before[pixel.clone()] != now[pixel]
        };
        (top, bottom) = (top.min(row), row + 1);
        left = (0..*width).find(differs).unwrap_or(0).min(left);
        right = ((0..*width).rfind(differs).unwrap_or(0) + 1).max(right);
    }
    if right == 0 { [0, 0, 1, 1] } else { [left, top, right - left, bottom - top] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White, with a dot of its own colour at `x`.
    fn picture(x: usize) -> Picture {
        let mut rgb = vec![255; 3 * 20 * 10];
        rgb[3 * (20 * 4 + x)..][..3].copy_from_slice(&[x as u8 * 12, 40, 200]);
        Picture { width: 20, height: 10, rgb }
    }

    /// Delay and pixels of every frame, as a viewer shows them.
    fn decode(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes).unwrap();
        let mut screen = vec![0; 3 * 20 * 10];
        let mut frames = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            for (i, pixel) in frame.buffer.chunks(4).enumerate() {
                let (x, y) = (i % usize::from(frame.width), i / usize::from(frame.width));
                let at = 20 * (y + usize::from(frame.top)) + x + usize::from(frame.left);
                screen[3 * at..3 * at + 3].copy_from_slice(&pixel[..3]);
            }
            frames.push((frame.delay, screen.clone()));
        }
        frames
    }

    fn film(frames_per_second: f64, pictures: &[Picture]) -> Vec<(u16, Vec<u8>)> {
        let mut animation = Animation::new(frames_per_second);
        for picture in pictures {
            if animation.wants_next() {
                animation.add(picture).unwrap();
            }
        }
        decode(&animation.finish().unwrap())
    }

    #[test]
    fn every_frame_reads_back_to_its_pixels() {
        let pictures: Vec<Picture> = [3, 4, 4, 15, 0].map(picture).into();
        let frames = film(25.0, &pictures);
        assert_eq!(frames.len(), 5);
        for ((delay, pixels), picture) in frames.iter().zip(&pictures) {
            assert!([4, LAST].contains(delay));
            assert!(*pixels == picture.rgb);
        }
        assert_eq!(frames[4].0, LAST);
    }

    #[test]
    fn a_film_lasts_as_long_as_the_episode_did() {
        let pictures: Vec<Picture> = (0..101).map(|i| picture(i % 20)).collect();
        for (frames_per_second, seconds) in [(30.0, 100.0 / 30.0), (50.0, 2.0), (125.0, 0.8)] {
            let frames = film(frames_per_second, &pictures);
            let hundredths: u16 = frames[..frames.len() - 1].iter().map(|(delay, _)| delay).sum();
            let off = f64::from(hundredths) - 100.0 * seconds;
            assert!(off.abs() <= 2.0, "{frames_per_second}: {off}");
            assert!(frames.iter().all(|(delay, _)| *delay >= 2));
        }
    }
}

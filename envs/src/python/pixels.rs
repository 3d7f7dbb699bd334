//! From the bytes of pictures to observations.

use serde::Deserialize;

use crate::Image;

/// What the bytes of an observation show: pictures one after the other, each of rows of pixels, each
/// of channels.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Frames {
    stack: usize,
    height: usize,
    width: usize,
    channels: usize,
}

/// Every byte over 255, rounded once.
const SHARES: [f32; 256] = {
    let mut shares = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        shares[byte] = byte as f32 / 255.0;
        byte += 1;
    }
    shares
};

impl Frames {
    /// Numbers in an observation, if so many can be counted.
    pub fn size(&self) -> Option<usize> {
        let sides = [self.stack, self.height, self.width, self.channels];
        sides.iter().try_fold(1, |size: usize, side| size.checked_mul(*side))
    }

    /// The observation: one picture, whose pixels have the channels of all.
    pub fn image(self) -> Image {
        Image { height: self.height, width: self.width, channels: self.stack * self.channels }
    }

    /// Writes what `bytes` show, as the shape says.
    pub fn read(&self, bytes: &[u8], observation: &mut [f32]) {
        let Frames { stack, height, width, channels } = *self;
        let frames = bytes.chunks_exact((height * width * channels).max(1));
        for (frame, bytes) in frames.enumerate().take(stack) {
            for channel in 0..channels {
                let from = bytes[channel..].iter().step_by(channels);
                let to = observation[frame * channels + channel..].iter_mut();
                for (to, from) in to.step_by(stack * channels).zip(from) {
                    *to = SHARES[usize::from(*from)];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_a_stack_become_channels_of_one_picture() {
        let frames = Frames { stack: 2, height: 1, width: 2, channels: 3 };
        let bytes: Vec<u8> = (0..12).map(|k| 20 * k).collect();
        let mut observation = [9.0; 12];
        frames.read(&bytes, &mut observation);
        let order = [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11];
        assert_eq!(observation, order.map(|k| 20.0 * k as f32 / 255.0));
        assert_eq!(frames.image(), Image { height: 1, width: 2, channels: 6 });
    }

    #[test]
    fn black_is_0_and_white_is_1() {
        let mut observation = [9.0; 2];
        Frames { stack: 1, height: 2, width: 1, channels: 1 }.read(&[0, 255], &mut observation);
        assert_eq!(observation, [0.0, 1.0]);
    }
}

//! The machine-readable part of a simulated picture, and its reader.
//!
//! Places are given on a grid of 320×180; a picture of another size is that grid scaled. Bit `b` of the frame counter is
//! a box of 20×20 at `x = 8 + 24·b, y = 2` in the black band at the top: white is 1. The counter has [`COUNTER_BITS`]
//! boxes and counts modulo [`PERIOD`], which is the length of every clip, so that it never jumps where a clip begins anew;
//! the upper boxes stay black. A box of 14×20 at `x = 296, y = 2` has the colour of the camera ([`colour`]). Bit `c` of the
//! camera's number is a box at `x = 8 + 24·c, y = 158` in the black band at the bottom.
//!
//! A main picture is one of [`MAIN_SCENES`] shared by many cameras: it has the counter, but neither colour nor number
//! (both bands are there, the number reads 0).

/// Width of the grid.
pub const GRID_WIDTH: u32 = 320;
/// Height of the grid.
pub const GRID_HEIGHT: u32 = 180;
/// Boxes of the frame counter.
pub const COUNTER_BITS: u32 = 12;
/// The frame counter goes from 0 to one less than this, then from 0 again.
pub const PERIOD: u32 = 512;
/// Boxes of the camera number.
pub const CAMERA_BITS: u32 = 8;
/// Different main pictures; a camera with number `n` shows scene `n mod 6`.
pub const MAIN_SCENES: u8 = 6;

/// The height of each black band.
pub(crate) const BAND: u32 = 24;
/// The sides of a bit's box.
pub(crate) const BOX: u32 = 20;
/// The top of the counter's boxes.
pub(crate) const COUNTER_Y: u32 = 2;
/// The top of the camera number's boxes.
pub(crate) const CAMERA_Y: u32 = 158;
/// The place of the colour box, its width is [`COLOUR_WIDTH`].
pub(crate) const COLOUR_X: u32 = 296;
pub(crate) const COLOUR_WIDTH: u32 = 14;

/// What a picture says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The frame counter.
    pub counter: u16,
    /// The camera's number; 0 in a main picture.
    pub camera: u8,
    /// The red, green and blue of the colour box.
    pub colour: [u8; 3],
}

/// The left edge of a bit's box.
pub(crate) fn box_x(bit: u32) -> u32 {
    8 + 24 * bit
}

/// The colour of a camera: hues by the golden angle, so that neighbours differ.
#[must_use]
pub fn colour(camera: u8) -> [u8; 3] {
    let hue = f64::from(camera) * 137.508 % 360.0 / 60.0;
    let channel = |shift: f64| {
        let k = (shift + hue) % 6.0;
        let level = 0.9 - 0.6 * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

/// Reads a decoded picture: rows of red, green and blue bytes. `None` when `rgb` is shorter than such a picture.
#[must_use]
pub fn read(rgb: &[u8], width: u32, height: u32) -> Option<Reading> {
    let pixel = |x: u32, y: u32| -> Option<[u8; 3]> {
        let (x, y) = (x * width / GRID_WIDTH, y * height / GRID_HEIGHT);
        let at = 3 * (y as usize * width as usize + x as usize);
        rgb.get(at..at + 3)?.try_into().ok()
    };
    let bits = |count: u32, y: u32| -> Option<u32> {
        (0..count).try_fold(0, |value, bit| {
            let [red, green, blue] = pixel(box_x(bit) + BOX / 2, y + BOX / 2)?.map(u32::from);
            Some(value | u32::from(red + green + blue >= 3 * 128) << bit)
        })
    };
    if rgb.len() < 3 * width as usize * height as usize {
        return None;
    }
    Some(Reading {
        counter: u16::try_from(bits(COUNTER_BITS, COUNTER_Y)?).ok()?,
        camera: u8::try_from(bits(CAMERA_BITS, CAMERA_Y)?).ok()?,
        colour: pixel(COLOUR_X + COLOUR_WIDTH / 2, COUNTER_Y + BOX / 2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paint(rgb: &mut [u8], x: u32, y: u32, width: u32, colour: [u8; 3]) {
        for (x, y) in (y..y + BOX).flat_map(|y| (x..x + width).map(move |x| (x, y))) {
            let at = 3 * (y * GRID_WIDTH + x) as usize;
            rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    #[test]
    fn a_painted_picture_reads_back() {
        let mut rgb = vec![0; 3 * (GRID_WIDTH * GRID_HEIGHT) as usize];
        let (counter, camera) = (0b1010_0100_0011_u16, 0b1001_0110_u8);
        for bit in (0..COUNTER_BITS).filter(|bit| counter >> bit & 1 == 1) {
            paint(&mut rgb, box_x(bit), COUNTER_Y, BOX, [255; 3]);
        }
        for bit in (0..CAMERA_BITS).filter(|bit| camera >> bit & 1 == 1) {
            paint(&mut rgb, box_x(bit), CAMERA_Y, BOX, [255; 3]);
        }
        paint(&mut rgb, COLOUR_X, COUNTER_Y, COLOUR_WIDTH, colour(camera));
        assert_eq!(read(&rgb, GRID_WIDTH, GRID_HEIGHT), Some(Reading { counter, camera, colour: colour(camera) }));
        assert_eq!(read(&rgb[1..], GRID_WIDTH, GRID_HEIGHT), None);
    }

    #[test]
    fn neighbours_differ_in_colour() {
        for camera in 1..=u8::MAX - 1 {
            let (a, b) = (colour(camera), colour(camera + 1));
            let distance: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
            assert!(distance > 100, "{camera}: {a:?} {b:?}");
        }
    }
}

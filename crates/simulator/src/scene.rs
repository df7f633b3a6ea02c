//! The moving pictures of a clip as a filter graph for ffmpeg: a skyline, a road, rails or water, and traffic on it.
//!
//! What moves crosses the picture a whole number of times per clip, so a clip can be looped without a jump.

use std::fmt::Write as _;

use crate::picture::{
    BAND, BOX, CAMERA_BITS, CAMERA_Y, COLOUR_WIDTH, COLOUR_X, COUNTER_BITS, COUNTER_Y, GRID_HEIGHT, GRID_WIDTH,
    MAIN_SCENES, PERIOD, box_x, colour,
};

/// Where the ground begins on the grid.
const HORIZON: u32 = 88;

/// One clip to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Which of the scenes.
    pub(crate) scene: u8,
    /// Times the size of the grid.
    pub(crate) scale: u32,
    /// Frames per second.
    pub(crate) fps: u32,
    /// The camera whose number and colour are drawn; also spreads its traffic.
    pub(crate) camera: Option<u8>,
}

/// What a scene looks like.
struct Scene {
    sky: [u32; 4],
    building: u32,
    window: u32,
    ground: u32,
    lane: u32,
    traffic: Traffic,
}

enum Traffic {
    Cars,
    Trains,
    Boats,
}

const SCENES: [Scene; MAIN_SCENES as usize] = [
    // A road by day.
    Scene {
        sky: [0x6fa8dc, 0x86b8e2, 0x9dc8e8, 0xb8d8ee],
        building: 0x8a97a6,
        window: 0xb7c6d4,
        ground: 0x4a4d52,
        lane: 0xd8d8d0,
        traffic: Traffic::Cars,
    },
    // A station.
    Scene {
        sky: [0x2d3642, 0x37424f, 0x414e5c, 0x4c5a69],
        building: 0x5b6774,
        window: 0xe8d9a0,
        ground: 0x6d6a64,
        lane: 0xd9b84a,
        traffic: Traffic::Trains,
    },
    // A road at dusk.
    Scene {
        sky: [0x3b3a5c, 0x6b4a6b, 0xb06a5f, 0xe0935a],
        building: 0x2c2c40,
        window: 0xffcf70,
        ground: 0x33333b,
        lane: 0xb0a890,
        traffic: Traffic::Cars,
    },
    // A creek by day.
    Scene {
        sky: [0x8cc4e8, 0xa2d0ec, 0xb8dcf0, 0xd2e8f2],
        building: 0xc9b99a,
        window: 0x8f8066,
        ground: 0x2f6f8f,
        lane: 0x4a8aa8,
        traffic: Traffic::Boats,
    },
    // A road by night.
    Scene {
        sky: [0x0c1020, 0x11162a, 0x171d34, 0x1d2540],
        building: 0x141826,
        window: 0xf5d98a,
        ground: 0x22242a,
        lane: 0x8a8672,
        traffic: Traffic::Cars,
    },
    // A road through sand.
    Scene {
        sky: [0xb9cfd8, 0xc9d6d6, 0xd9dcd0, 0xe6dfc6],
        building: 0xcdb48a,
        window: 0xa98f66,
        ground: 0x5d564c,
        lane: 0xe6dcc0,
        traffic: Traffic::Cars,
    },
];

const PAINTS: [u32; 8] = [0xf2f2f0, 0xc0392b, 0xd4af37, 0x2c6fbb, 0x1e1e22, 0x9aa0a6, 0x2e8b57, 0xe67e22];

/// The filter graph that draws `view`, with one output.
pub(crate) fn graph(view: View) -> String {
    let scene = &SCENES[usize::from(view.scene % MAIN_SCENES)];
    let mut drawing = Drawing { view, graph: String::new(), dice: Dice::new(u64::from(view.scene) + 1) };
    drawing.backdrop(scene);
    drawing.dice = Dice::new(1_000 + u64::from(view.scene) + 97 * u64::from(view.camera.unwrap_or(0)));
    let movers = drawing.traffic(scene);
    drawing.move_all(&movers);
    drawing.bands();
    drawing.graph
}

/// Something that crosses the picture.
struct Mover {
    y: u32,
    width: u32,
    height: u32,
    paint: u32,
    /// Crossings per clip.
    crossings: u32,
    leftwards: bool,
    /// Where it starts, in 1/512 of a crossing.
    start: u32,
}

struct Drawing {
    view: View,
    graph: String,
    dice: Dice,
}

impl Drawing {
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.graph.write_fmt(text).expect("writing to a string cannot fail");
    }

    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, paint: u32) {
        let s = self.view.scale;
        self.push(format_args!(
            ",drawbox=x={}:y={}:w={}:h={}:color=0x{paint:06x}:t=fill",
            x * s,
            y * s,
            width * s,
            height * s
        ));
    }

    /// What does not move, drawn once and repeated.
    fn backdrop(&mut self, scene: &Scene) {
        let View { scale, fps, .. } = self.view;
        let size = format!("{}x{}", GRID_WIDTH * scale, GRID_HEIGHT * scale);
        self.push(format_args!("color=c=black:s={size}:r={fps},format=yuv420p"));
        for (step, paint) in (0..).zip(scene.sky) {
            self.fill(0, BAND + 16 * step, GRID_WIDTH, 16, paint);
        }
        let mut x = 0;
        while x < GRID_WIDTH {
            let (width, height) = (self.dice.roll(14, 34), self.dice.roll(10, 52));
            self.building(x, width.min(GRID_WIDTH - x), height, scene);
            x += width + self.dice.roll(0, 10);
        }
        self.fill(0, HORIZON, GRID_WIDTH, GRID_HEIGHT - HORIZON, scene.ground);
        for y in [HORIZON + 17, HORIZON + 34, HORIZON + 51] {
            for dash in 0..10 {
                self.fill(6 + 32 * dash, y, 16, 1, scene.lane);
            }
        }
        self.push(format_args!(",trim=end_frame=1,loop=loop=-1:size=1,setpts=N/({fps}*TB)[m0]"));
    }

    fn building(&mut self, x: u32, width: u32, height: u32, scene: &Scene) {
        let top = HORIZON - height;
        self.fill(x, top, width, height, scene.building);
        for row in 0..height / 7 {
            for column in 0..width / 6 {
                if self.dice.roll(0, 3) > 0 {
                    self.fill(x + 2 + 6 * column, top + 3 + 7 * row, 2, 3, scene.window);
                }
            }
        }
    }

    fn traffic(&mut self, scene: &Scene) -> Vec<Mover> {
        let lanes = 4;
        (0..lanes)
            .flat_map(|lane| {
                let (width, height, count, crossings) = match (&scene.traffic, lane) {
                    (Traffic::Cars, _) => (self.dice.roll(20, 30), 10, 2, self.dice.roll(2, 5)),
                    (Traffic::Trains, 0) => (180, 15, 1, 2),
                    (Traffic::Trains, _) => (4, 13, 3, 1),
                    (Traffic::Boats, _) => (self.dice.roll(24, 40), 8, 1, self.dice.roll(1, 2)),
                };
                let first = self.dice.roll(0, PERIOD - 1);
                let dice = &mut self.dice;
                (0..count)
                    .map(|nth| Mover {
                        y: HORIZON + 3 + 17 * lane,
                        width,
                        height,
                        paint: PAINTS[dice.roll(0, 7) as usize],
                        crossings,
                        leftwards: lane % 2 == 0,
                        start: (first + nth * (PERIOD / count) + dice.roll(0, 60)) % PERIOD,
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn move_all(&mut self, movers: &[Mover]) {
        let View { scale, fps, .. } = self.view;
        for (nth, mover) in movers.iter().enumerate() {
            let (width, height) = (mover.width * scale, mover.height * scale);
            let paint = mover.paint;
            self.push(format_args!(";color=c=0x{paint:06x}:s={width}x{height}:r={fps},format=yuv420p"));
            if mover.width > 10 {
                let panes = mover.width / 9;
                for pane in 0..panes {
                    self.fill(2 + 9 * pane, 2, 6, 3, 0x20262c);
                }
            }
            let across = GRID_WIDTH * scale + width;
            let path = format!("mod((n*{}+{})*{across}/{PERIOD},{across})", mover.crossings, mover.start);
            let x = if mover.leftwards { format!("W-{path}") } else { format!("{path}-w") };
            let y = mover.y * scale;
            self.push(format_args!("[v{nth}];[m{nth}][v{nth}]overlay=x='{x}':y={y}[m{}]", nth + 1));
        }
        // The grain of a sensor; without it a drawing this size takes a tenth of a camera's bits.
        let grain = if scale > 1 { "noise=c0s=5:c0f=t" } else { "null" };
        self.push(format_args!(";[m{}]{grain}", movers.len()));
    }

    /// The machine-readable bands.
    fn bands(&mut self) {
        self.fill(0, 0, GRID_WIDTH, BAND, 0);
        self.fill(0, GRID_HEIGHT - BAND, GRID_WIDTH, BAND, 0);
        for bit in (0..COUNTER_BITS).filter(|bit| PERIOD >> bit > 1) {
            self.fill(box_x(bit), COUNTER_Y, BOX, BOX, 0xffffff);
            self.push(format_args!(":enable='gte(mod(n,{}),{})'", 2 << bit, 1 << bit));
        }
        let Some(camera) = self.view.camera else { return };
        for bit in (0..CAMERA_BITS).filter(|bit| camera >> bit & 1 == 1) {
            self.fill(box_x(bit), CAMERA_Y, BOX, BOX, 0xffffff);
        }
        let [red, green, blue] = colour(camera).map(u32::from);
        self.fill(COLOUR_X, COUNTER_Y, COLOUR_WIDTH, BOX, red << 16 | green << 8 | blue);
    }
}

/// Numbers that look random and are the same every time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from `low` to `high`, both included.
    fn roll(&mut self, low: u32, high: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let spread = u64::from(high - low + 1);
        let rolled = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % spread;
        low + u32::try_from(rolled).expect("a rest modulo a 32-bit number has 32 bits")
    }
}

use uuid::Uuid;

use crate::{Error, milestone::soap::part::Part, xml::Element};

const PAN: &str = "pan";
const TILT: &str = "tilt";
const ZOOM: &str = "zoom";
const NORMALIZED: &str = "Normalized";
/// The most axes of a command.
const AXES_MAX: usize = 16;

/// What a PTZ operation moves, for each axis by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PtzArguments {
    /// A direction (-1, 0, 1), a position or a distance, as the operation has it.
    pub movement: Vec<Axis>,
    /// How fast, 0 to 1.
    pub speed: Vec<Axis>,
    /// Whether positions are between -1 and 1 instead of in the camera's own units.
    pub is_normalized: bool,
}

/// A value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// `pan`, `tilt` or `zoom`.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// How fast a camera moves: each axis from -1 to 1, right, up and in being positive.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Velocity {
    /// To the right.
    pub pan: f64,
    /// Up.
    pub tilt: f64,
    /// In.
    pub zoom: f64,
}

impl PtzArguments {
    /// Moves right or left and up or down, each from -1 to 1.
    #[must_use]
    pub fn pan_tilt(pan: f64, tilt: f64) -> Self {
        Self::moving(&[(PAN, pan), (TILT, tilt)])
    }

    /// Moves in or out, from -1 to 1; its own command beside pan and tilt.
    #[must_use]
    pub fn zoom(zoom: f64) -> Self {
        Self::moving(&[(ZOOM, zoom)])
    }

    fn moving(axes: &[(&str, f64)]) -> Self {
        let axis = |name: &str, value| Axis { name: name.to_owned(), value };
        let direction = |velocity: f64| if velocity == 0.0 { 0.0 } else { velocity.signum() };
        Self {
            movement: axes.iter().map(|(name, velocity)| axis(name, direction(*velocity))).collect(),
            speed: axes.iter().map(|(name, velocity)| axis(name, velocity.abs().min(1.0))).collect(),
            is_normalized: false,
        }
    }

    /// A position, each axis from -1 to 1 (zoom from 0), as the answer to where the camera looks.
    #[must_use]
    pub fn position(pan: f64, tilt: f64, zoom: f64) -> Self {
        let movement = [(PAN, pan), (TILT, tilt), (ZOOM, zoom)];
        let movement = movement.map(|(name, value)| Axis { name: name.to_owned(), value });
        Self { movement: movement.into(), speed: vec![], is_normalized: true }
    }

    /// The movement of an axis; 0 when it is not named.
    #[must_use]
    pub fn movement_of(&self, axis: &str) -> f64 {
        value(&self.movement, axis).unwrap_or(0.0)
    }

    /// The velocity of a movement: its directions times its speeds, where an axis without a speed has full speed.
    #[must_use]
    pub fn velocity(&self) -> Velocity {
        let of =
            |axis| self.movement_of(axis).clamp(-1.0, 1.0) * value(&self.speed, axis).unwrap_or(1.0).clamp(0.0, 1.0);
        Velocity { pan: of(PAN), tilt: of(TILT), zoom: of(ZOOM) }
    }
}

fn value(axes: &[Axis], name: &str) -> Option<f64> {
    axes.iter().find(|axis| axis.name.eq_ignore_ascii_case(name)).map(|axis| axis.value)
}

/// The WSDL of recorders repeats `movement` and `speed` for each axis, each with `name` and `value`. Clients made from
/// other descriptions put `PTZPairDouble` elements inside; those are read too.
impl Part for PtzArguments {
    fn fill(&self, element: &mut Element) {
        for (name, axes) in [("movement", &self.movement), ("speed", &self.speed)] {
            for axis in axes {
                let mut pair = Element::new(name);
                axis.name.push_as(&mut pair, "name");
                axis.value.push_as(&mut pair, "value");
                element.children.push(pair);
            }
        }
        self.is_normalized.push_as(element, NORMALIZED);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        let (movement, speed) = (axes(element, "movement")?, axes(element, "speed")?);
        let is_normalized = element.child(NORMALIZED).is_some() && bool::pull(element, "PTZArgs", NORMALIZED)?;
        Ok(Self { movement, speed, is_normalized })
    }
}

fn axes(element: &Element, name: &str) -> Result<Vec<Axis>, Error> {
    let mut axes = Vec::new();
    for listed in element.children_named(name) {
        let inside: Vec<&Element> = listed.children_named("PTZPairDouble").collect();
        let pairs = if inside.is_empty() { vec![listed] } else { inside };
        for pair in pairs {
            if axes.len() == AXES_MAX {
                return Err(Error::TooLarge { what: "axes of a PTZ command", limit: AXES_MAX });
            }
            let axis = String::pull(pair, "PTZPairDouble", "name")?;
            axes.push(Axis { name: axis.trim().to_owned(), value: f64::pull(pair, "PTZPairDouble", "value")? });
        }
    }
    Ok(axes)
}

parts! {
    /// Who holds a camera's PTZ.
    PtzSession {
        /// The camera.
        device: Uuid = "DeviceId",
        /// Of the session; a higher one takes over.
        priority: i32 = "Priority",
        /// Whether somebody reserved it.
        is_reserved: bool = "Reserved",
        /// Whether it patrols.
        is_patrolling: bool = "IsPatrolling",
        /// Whether the user who holds it is not told.
        is_anonymous: bool = "IsAnonymous",
        /// Whether its patrolling is paused.
        is_paused: bool = "IsPaused",
        /// How long the session lasts after its last command, in seconds.
        timeout_s: i32 = "TimeoutSec",
        /// What is left of that, in seconds.
        timeout_left_s: i32 = "TimeoutLeftSec",
    }
}

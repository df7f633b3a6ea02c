/// A place: WGS 84 longitude and latitude in degrees, written as well-known text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GisPoint {
    /// East of Greenwich, -180 to 180.
    pub longitude: f64,
    /// North of the equator, -90 to 90.
    pub latitude: f64,
    /// In metres, if it is told.
    pub altitude: Option<f64>,
}

impl GisPoint {
    const EMPTY: &str = "POINT EMPTY";

    /// Reads `POINT (longitude latitude[ altitude])`; nothing when it is empty, unreadable or no place on earth.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (kind, rest) = text.trim().split_once('(')?;
        let inside = rest.trim_end().strip_suffix(')')?;
        // `POINT Z (…)` is the form that standards give a point with an altitude.
        let kind: Vec<&str> = kind.split_ascii_whitespace().collect();
        let is_point = matches!(kind.as_slice(), [point] | [point, "Z" | "z"] if point.eq_ignore_ascii_case("point"));
        let numbers: Option<Vec<f64>> = inside.split_ascii_whitespace().map(|part| part.parse().ok()).collect();
        let (longitude, latitude, altitude) = match numbers?.as_slice() {
            [longitude, latitude] => (*longitude, *latitude, None),
            [longitude, latitude, altitude] => (*longitude, *latitude, Some(*altitude)),
            _ => return None,
        };
        let is_place = longitude.abs() <= 180.0 && latitude.abs() <= 90.0 && altitude.is_none_or(f64::is_finite);
        (is_point && is_place).then_some(Self { longitude, latitude, altitude })
    }

    /// As well-known text.
    #[must_use]
    pub fn write(point: Option<&Self>) -> String {
        let Some(Self { longitude, latitude, altitude }) = point else {
            return Self::EMPTY.to_owned();
        };
        match altitude {
            Some(altitude) => format!("POINT ({longitude} {latitude} {altitude})"),
            None => format!("POINT ({longitude} {latitude})"),
        }
    }
}

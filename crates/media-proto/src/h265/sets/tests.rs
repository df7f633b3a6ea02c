use super::*;

/// x265, 320x180 at 25 pictures per second, Main, closed GOPs without reordering.
pub(crate) const CLOSED: [&str; 3] = [
    "40010c01ffff01600000030090000003000003003cba0240",
    "42010101600000030090000003000003003ca00a080c1f3e5ba4a4c2f0168080000003008000000c84",
    "4401c073c189",
];
/// The same with open GOPs and two reordered pictures.
const OPEN: &str = "42010101600000030090000003000003003ca00a080c1f3e595912930bc05a020000030002000003003210";
/// x265, 1920x1080 of 1920x1088, Main 10, 29.97 pictures per second.
const TEN_BITS: &str = "420101022000000300900000030000030078a003c0801107cad965654a4c2f01680800001f480003a98040";
/// x265, 4:2:2, high tier.
const HIGH_TIER: &str = "4201012408000003009d08000003000099b003c0801107c4e595952930bc05a020000003002000000301e1";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn check(hex: &str, size: (u32, u32), fps: f64, reorder: u32, names: [&str; 3]) {
    let sps = Sps::parse(&bytes(hex)).unwrap();
    assert_eq!(((sps.width, sps.height), sps.max_num_reorder), (size, reorder), "{sps:?}");
    assert!(sps.fps.is_some_and(|own| (own - fps).abs() < 0.01), "{sps:?}");
    assert_eq!([sps.codec_string(), sps.profile_name(), sps.level_name()], names.map(str::to_owned));
}

#[test]
fn an_sps_tells_size_rate_reordering_profile_tier_and_level() {
    check(CLOSED[1], (320, 180), 25.0, 0, ["hvc1.1.6.L60.90", "Main", "2"]);
    check(OPEN, (320, 180), 25.0, 2, ["hvc1.1.6.L60.90", "Main", "2"]);
    check(TEN_BITS, (1920, 1080), 29.97, 2, ["hvc1.2.4.L120.90", "Main 10", "4"]);
    check(HIGH_TIER, (1920, 1080), 15.0, 2, ["hvc1.4.10.H153.9D.8", "Format Range Extensions", "5.1"]);
}

#[test]
fn the_sets_name_each_other() {
    let [vps, sps, pps] = CLOSED.map(bytes);
    let (vps, sps, pps) = (Vps::parse(&vps).unwrap(), Sps::parse(&sps).unwrap(), Pps::parse(&pps).unwrap());
    assert_eq!((vps.id, sps.vps_id, sps.id, pps.sps_id, pps.id), (0, 0, 0, 0, 0));
    assert_eq!((vps.fps, sps.temporal_layers, sps.temporal_id_nested), (None, 1, true));
}

#[test]
fn a_vps_with_timing_tells_the_rate() {
    // The VPS above, whose last bits are: layer set 0, no timing; here with timing of 1 tick at 25 per second.
    let head = bytes("40010c01ffff01600000030090000003000003003c");
    let bits = "1 010 1 1 000000 1 1 00000000000000000000000000000001 00000000000000000000000000011001 1 0 1";
    let mut tail: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|bit| bit - b'0').collect();
    tail.resize(tail.len().next_multiple_of(8), 0);
    let tail = tail.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit));
    let mut zeros = 0;
    let escaped = tail.flat_map(|byte| {
        let escape = zeros >= 2 && byte <= 3;
        zeros = if byte == 0 { u8::from(!escape) * zeros + 1 } else { 0 };
        escape.then_some(3).into_iter().chain([byte])
    });
    let vps: Vec<u8> = head.into_iter().chain(escaped).collect();
    assert_eq!(Vps::parse(&vps).unwrap().fps, Some(25.0));
}

#[test]
fn what_is_cut_or_of_another_type_is_refused() {
    let [vps, sps, pps] = CLOSED.map(bytes);
    assert!(Sps::parse(&vps).is_none() && Vps::parse(&pps).is_none() && Pps::parse(&sps).is_none());
    assert!((0..22).all(|length| Sps::parse(&sps[..length]).is_none()));
    assert!((0..3).all(|length| Pps::parse(&pps[..length.min(2)]).is_none()));
    // A rate that cannot be read leaves the rest of use.
    assert_eq!(Sps::parse(&sps[..30]).map(|sps| (sps.width, sps.fps)), Some((320, None)));
}

#[test]
fn a_bent_set_never_panics() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for hex in [CLOSED[0], CLOSED[1], CLOSED[2], OPEN, TEN_BITS, HIGH_TIER] {
        let whole = bytes(hex);
        for _ in 0..20_000 {
            let mut set = whole.clone();
            for _ in 0..=random() % 4 {
                let at = 1 + random() % (set.len() - 1);
                set[at] = random() as u8 & if random().is_multiple_of(2) { 0 } else { 0xff };
            }
            let _ = (Vps::parse(&set), Pps::parse(&set), Sps::parse(&set).map(|sps| sps.codec_string()));
        }
    }
}

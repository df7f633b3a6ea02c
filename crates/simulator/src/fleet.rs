//! Which cameras there are.

use domain::AgencyId;

/// One simulated camera: what a connector or a configuration learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraPlan {
    /// Its name in the system, such as `dp-01`; unique.
    pub id: String,
    /// The number in its pictures; unique.
    pub picture_number: u8,
    /// English name.
    pub name: String,
    /// Arabic name.
    pub name_ar: String,
    /// The owner.
    pub agency: AgencyId,
}

impl CameraPlan {
    /// A camera without a place: for tests.
    #[must_use]
    pub fn plain(number: u8) -> Self {
        let agency = AgencyId::new("OTHER").expect("it is a well-formed name");
        Self {
            id: format!("camera-{number:03}"),
            picture_number: number,
            name: format!("Camera {number}"),
            name_ar: format!("كاميرا {number}"),
            agency,
        }
    }
}

/// The cameras of the demonstration: twelve of each of four agencies.
#[must_use]
pub fn demo() -> Vec<CameraPlan> {
    let agencies =
        [("DUBAI_POLICE", "dp", &POLICE), ("METRO", "metro", &METRO), ("BUS", "bus", &BUS), ("OTHER", "other", &OTHER)];
    let plans = agencies.into_iter().flat_map(|(agency, prefix, places)| {
        let agency = AgencyId::new(agency).expect("it is a well-formed name");
        (1..).zip(places).map(move |(nth, (name, name_ar))| CameraPlan {
            id: format!("{prefix}-{nth:02}"),
            picture_number: 0,
            name: (*name).to_owned(),
            name_ar: (*name_ar).to_owned(),
            agency: agency.clone(),
        })
    });
    (1..).zip(plans).map(|(picture_number, plan)| CameraPlan { picture_number, ..plan }).collect()
}

type Places = [(&'static str, &'static str); 12];

const POLICE: Places = [
    ("Sheikh Zayed Road, Trade Centre", "شارع الشيخ زايد، المركز التجاري"),
    ("Defence Roundabout", "دوار الدفاع"),
    ("Al Garhoud Bridge", "جسر القرهود"),
    ("Al Maktoum Bridge", "جسر آل مكتوم"),
    ("Dubai Marina Walk", "ممشى مرسى دبي"),
    ("Jumeirah Beach Road", "شارع شاطئ جميرا"),
    ("Deira Corniche", "كورنيش ديرة"),
    ("Naif Souk", "سوق نايف"),
    ("Gold Souk Gate", "بوابة سوق الذهب"),
    ("Al Qusais Junction", "تقاطع القصيص"),
    ("Hatta Road Checkpoint", "نقطة تفتيش طريق حتا"),
    ("Mohammed bin Rashid Boulevard", "بوليفارد محمد بن راشد"),
];

const METRO: Places = [
    ("Union Station, Platform 1", "محطة الاتحاد، الرصيف ١"),
    ("Union Station, Platform 2", "محطة الاتحاد، الرصيف ٢"),
    ("BurJuman Station, Concourse", "محطة برجمان، الصالة"),
    ("Burj Khalifa Station, Link Bridge", "محطة برج خليفة، جسر المشاة"),
    ("Business Bay Station", "محطة الخليج التجاري"),
    ("Mall of the Emirates Station", "محطة مول الإمارات"),
    ("Airport Terminal 3 Station", "محطة المطار، المبنى ٣"),
    ("Deira City Centre Station", "محطة ديرة سيتي سنتر"),
    ("Al Ras Station", "محطة الرأس"),
    ("Baniyas Square Station", "محطة ميدان بني ياس"),
    ("Al Jadaf Station", "محطة الجداف"),
    ("Expo 2020 Station", "محطة إكسبو ٢٠٢٠"),
];

const BUS: Places = [
    ("Al Ghubaiba Bus Station", "محطة حافلات الغبيبة"),
    ("Gold Souk Bus Station", "محطة حافلات سوق الذهب"),
    ("Al Sabkha Bus Station", "محطة حافلات السبخة"),
    ("Al Satwa Bus Station", "محطة حافلات السطوة"),
    ("Al Quoz Depot", "مستودع القوز"),
    ("Al Khawaneej Depot", "مستودع الخوانيج"),
    ("Al Rashidiya Bus Station", "محطة حافلات الراشدية"),
    ("Ibn Battuta Bus Station", "محطة حافلات ابن بطوطة"),
    ("International City Bus Stop", "موقف حافلات المدينة العالمية"),
    ("Jebel Ali Bus Station", "محطة حافلات جبل علي"),
    ("Al Karama Bus Station", "محطة حافلات الكرامة"),
    ("Oud Metha Bus Station", "محطة حافلات عود ميثاء"),
];

const OTHER: Places = [
    ("Dubai Creek, Abra Station", "خور دبي، محطة العبرة"),
    ("Al Seef Promenade", "ممشى السيف"),
    ("Al Fahidi Heritage District", "حي الفهيدي التاريخي"),
    ("Zabeel Park, Gate 3", "حديقة زعبيل، البوابة ٣"),
    ("Kite Beach", "شاطئ كايت"),
    ("La Mer Promenade", "ممشى لا مير"),
    ("Dubai Harbour", "دبي هاربر"),
    ("Festival City Waterfront", "واجهة فستيفال سيتي البحرية"),
    ("Global Village, Main Gate", "القرية العالمية، البوابة الرئيسية"),
    ("Palm Jumeirah Crescent", "هلال نخلة جميرا"),
    ("Al Mamzar Beach Park", "حديقة شاطئ الممزر"),
    ("Hatta Dam", "سد حتا"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_demonstration_has_48_cameras_of_four_agencies_and_none_twice() {
        let plans = demo();
        let distinct = |of: fn(&CameraPlan) -> String| plans.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|plan| plan.id.clone()), 48);
        assert_eq!(distinct(|plan| plan.name.clone()), 48);
        assert_eq!(distinct(|plan| plan.name_ar.clone()), 48);
        assert_eq!(distinct(|plan| plan.agency.to_string()), 4);
        assert_eq!(plans.iter().map(|plan| plan.picture_number).collect::<Vec<_>>(), (1..=48).collect::<Vec<_>>());
        assert_eq!(plans[0].id, "dp-01");
    }
}

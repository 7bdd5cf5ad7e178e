use super::groups::GROUPS;

/// What comes first for those who have a job role. NHS context 5.5.
///
/// A view orders and chooses for the overview; it hides nothing from the list, and what may be
/// seen at all is the API's to say.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct RoleView {
    pub(super) name: &'static str,
    /// The groups of the overview, in order.
    pub(super) groups: &'static [&'static str],
}

impl RoleView {
    /// The view for a job role's code; the one for clinicians unless there is another.
    pub(super) fn of(role: Option<&str>) -> &'static Self {
        let code = role.unwrap_or_default();
        let social_care = ("R9500"..="R9605").contains(&code) && code.len() == 5;
        match code {
            "R0260" | "R0270" => &GENERAL_PRACTICE,
            "R1070" => &URGENT_CARE,
            "R1290" => &MEDICINES,
            "R8005" => &RESULTS,
            "R8006" => &CORRESPONDENCE,
            "R8014" | "R1330" | "R1340" => &SOCIAL_CARE,
            "R8016" => &MIDWIFERY,
            "R8008" | "R8009" | "R8010" => &ADMINISTRATION,
            _ if social_care => &SOCIAL_CARE,
            _ => &CLINICAL,
        }
    }

    /// The place of a group in lists: those of the view first.
    pub(super) fn place(&self, group: &str) -> usize {
        let here = self.groups.iter().position(|known| *known == group);
        let all = || GROUPS.iter().position(|known| *known == group).unwrap_or(GROUPS.len());
        here.unwrap_or_else(|| self.groups.len() + all())
    }
}

static CLINICAL: RoleView = RoleView {
    name: "clinicians",
    groups: &["Alerts", "Summaries", "Plans", "Discharge", "Letters", "Results", "Medicines"],
};
static GENERAL_PRACTICE: RoleView = RoleView {
    name: "general practice",
    groups: &["Alerts", "Discharge", "Letters", "Results", "Plans", "Medicines"],
};
static URGENT_CARE: RoleView = RoleView {
    name: "urgent care",
    groups: &["Alerts", "Plans", "Summaries", "Medicines", "Discharge"],
};
static MEDICINES: RoleView = RoleView {
    name: "pharmacy",
    groups: &["Alerts", "Medicines", "Discharge", "Summaries", "Results"],
};
static RESULTS: RoleView =
    RoleView { name: "laboratories", groups: &["Results", "Orders", "Images"] };
static CORRESPONDENCE: RoleView =
    RoleView { name: "correspondence", groups: &["Letters", "Discharge", "Referrals"] };
static SOCIAL_CARE: RoleView = RoleView {
    name: "social care",
    groups: &["Alerts", "Plans", "Discharge", "Assessments", "Legal and consent"],
};
static MIDWIFERY: RoleView = RoleView {
    name: "midwifery",
    groups: &["Alerts", "Summaries", "Plans", "Notes", "Results", "Images", "Letters"],
};
static ADMINISTRATION: RoleView =
    RoleView { name: "administration", groups: &["Administrative", "Legal and consent"] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_view() {
        let name = |role| RoleView::of(role).name;

        assert_eq!(name(Some("R1070")), "urgent care");
        assert_eq!(name(Some("R9535")), "social care");
        assert_eq!(name(Some("R8014")), "social care");
        assert_eq!(name(Some("R95")), "clinicians");
        assert_eq!(name(Some("R8000")), "clinicians");
        assert_eq!(name(None), "clinicians");
    }

    #[test]
    fn the_groups_of_a_view_come_first_and_no_group_is_lost() {
        for view in [&CLINICAL, &GENERAL_PRACTICE, &URGENT_CARE, &MEDICINES, &RESULTS] {
            let mut places: Vec<usize> = GROUPS.iter().map(|group| view.place(group)).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), GROUPS.len(), "{}", view.name);
        }
        assert!(URGENT_CARE.place("Plans") < URGENT_CARE.place("Letters"));
        for view in [&CORRESPONDENCE, &SOCIAL_CARE, &MIDWIFERY, &ADMINISTRATION] {
            assert!(view.groups.iter().all(|group| GROUPS.contains(group)), "{}", view.name);
        }
    }
}

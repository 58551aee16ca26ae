//! The groups of measures and what they are good for.

use kernel::RiskType;

kernel::codes! {
    /// The 15 groups of the national form.
    MeasureKind {
        /// 产业帮扶
        Industry = "INDUSTRY",
        /// 就业帮扶
        Employment = "EMPLOYMENT",
        /// 金融帮扶
        Finance = "FINANCE",
        /// 公益岗位帮扶
        PublicWelfarePost = "PUBLIC_WELFARE_POST",
        /// 住房安全保障
        Housing = "HOUSING",
        /// 饮水安全保障
        Water = "WATER",
        /// 健康帮扶
        Health = "HEALTH",
        /// 义务教育保障
        CompulsoryEducation = "COMPULSORY_EDUCATION",
        /// 教育帮扶
        Education = "EDUCATION",
        /// 综合保障: 低保, 特困, subsidies, temporary relief.
        SocialSecurity = "SOCIAL_SECURITY",
        /// 社会帮扶
        SocialHelp = "SOCIAL_HELP",
        /// 搬迁
        Relocation = "RELOCATION",
        /// 生产生活条件改善
        LivingConditions = "LIVING_CONDITIONS",
        /// 基础设施建设
        Infrastructure = "INFRASTRUCTURE",
        /// 扶志扶智 (S53)
        Motivation = "MOTIVATION",
    }
}

impl MeasureKind {
    /// 开发式帮扶: helps a household with labour to earn (S51).
    #[must_use]
    pub const fn is_development(self) -> bool {
        matches!(
            self,
            Self::Industry | Self::Employment | Self::Finance | Self::PublicWelfarePost
        )
    }

    /// 兜底保障: carries a household that cannot earn (S52).
    #[must_use]
    pub const fn is_safety_net(self) -> bool {
        matches!(self, Self::SocialSecurity)
    }

    /// Whether the rules ask for the kind whatever the risk is: development where there is labour
    /// (S51), motivation where it is weak (S53). Such a measure is never one too many.
    #[must_use]
    pub const fn goes_with_any_risk(self) -> bool {
        self.is_development() || matches!(self, Self::Motivation)
    }
}

/// Kinds of which the province's check wants at least one for a risk (MEA-10). `None` where it
/// wants none in particular.
#[must_use]
pub const fn fitting(risk: RiskType) -> Option<&'static [MeasureKind]> {
    use MeasureKind::{
        CompulsoryEducation, Education, Health, Housing, Relocation, SocialHelp, SocialSecurity,
        Water,
    };
    match risk {
        RiskType::Illness => Some(&[Health, SocialHelp, SocialSecurity]),
        RiskType::Education => Some(&[CompulsoryEducation, Education, SocialHelp]),
        RiskType::Disability => Some(&[SocialSecurity, SocialHelp]),
        RiskType::Housing => Some(&[Housing, Relocation]),
        RiskType::Water => Some(&[Water]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kernel::Code;

    use super::*;

    #[test]
    fn there_are_fifteen_of_which_four_develop_and_one_carries() {
        let count =
            |is: fn(MeasureKind) -> bool| MeasureKind::ALL.iter().filter(|kind| is(**kind)).count();
        assert_eq!(MeasureKind::ALL.len(), 15);
        assert_eq!(count(MeasureKind::is_development), 4);
        assert_eq!(count(MeasureKind::is_safety_net), 1);
        assert_eq!(count(MeasureKind::goes_with_any_risk), 5);
    }
}

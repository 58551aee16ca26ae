//! The words of the procedure, as closed code lists. Labels are dated and live in front ends and
//! templates; the codes stay.

use crate::codes;

codes! {
    /// Where a household comes from. Decides between the categories (S03, S04).
    Origin {
        /// 脱贫户 (建档立卡): formerly registered and lifted out of poverty.
        FormerlyRegistered = "FORMERLY_REGISTERED",
        /// 一般农户: never registered.
        General = "GENERAL",
    }
}

codes! {
    /// Category of a monitored household (S03, S04, S05).
    Category {
        /// 脱贫不稳定户: formerly registered, income below the line.
        UnstableEscaped = "UNSTABLE_ESCAPED",
        /// 边缘易致贫户: never registered, income below the line.
        MarginalVulnerable = "MARGINAL_VULNERABLE",
        /// 突发严重困难户: income at or above the line, but a shock makes living seriously hard.
        SuddenHardship = "SUDDEN_HARDSHIP",
    }
}

codes! {
    /// Risk of falling (back) into poverty (致贫/返贫风险), at most five for a household.
    RiskType {
        /// 因病
        Illness = "ILLNESS",
        /// 因自然灾害; carries a sub-code 0201–0206 or 0299.
        NaturalDisaster = "NATURAL_DISASTER",
        /// 因残
        Disability = "DISABILITY",
        /// 缺劳动力
        LabourShortage = "LABOUR_SHORTAGE",
        /// 因意外事故
        Accident = "ACCIDENT",
        /// 因产业项目失败
        IndustryFailure = "INDUSTRY_FAILURE",
        /// 因务工就业不稳
        UnstableJob = "UNSTABLE_JOB",
        /// 因学
        Education = "EDUCATION",
        /// 因安全住房
        Housing = "HOUSING",
        /// 因安全饮水
        Water = "WATER",
        /// 因疫
        Epidemic = "EPIDEMIC",
        /// 其他; a remark is mandatory.
        Other = "OTHER",
    }
}

codes! {
    /// What is checked of the two no-worries, the three guarantees and drinking water (S07).
    Guarantee {
        /// 吃
        Food = "FOOD",
        /// 穿
        Clothing = "CLOTHING",
        /// 义务教育
        CompulsoryEducation = "COMPULSORY_EDUCATION",
        /// 基本医疗
        BasicMedicalCare = "BASIC_MEDICAL_CARE",
        /// 住房安全
        SafeHousing = "SAFE_HOUSING",
        /// 饮水安全
        SafeWater = "SAFE_WATER",
    }
}

codes! {
    /// Finding on one guarantee. Never checked is the absence of a finding.
    GuaranteeStatus {
        /// Checked and safe.
        Safe = "SAFE",
        /// Checked and not safe.
        Unsafe = "UNSAFE",
    }
}

codes! {
    /// Labour capacity of a member (劳动技能).
    LabourCapacity {
        /// 普通劳动力
        Ordinary = "ORDINARY",
        /// 技能劳动力
        Skilled = "SKILLED",
        /// 弱劳动力或半劳动力
        Weak = "WEAK",
        /// 丧失劳动力
        Lost = "LOST",
        /// 无劳动力
        None = "NONE",
    }
}

impl LabourCapacity {
    /// Whether the member counts as labour. Weak labour counts: it can be helped to earn (S51, S52).
    #[must_use]
    pub const fn can_work(self) -> bool {
        matches!(self, Self::Ordinary | Self::Skilled | Self::Weak)
    }
}

codes! {
    /// The nine items of the county's data comparison (S34).
    ItemKind {
        /// 户籍
        HouseholdRegistration = "HOUSEHOLD_REGISTRATION",
        /// 商品房
        CommercialHousing = "COMMERCIAL_HOUSING",
        /// 工商登记
        BusinessRegistration = "BUSINESS_REGISTRATION",
        /// 公积金
        HousingFund = "HOUSING_FUND",
        /// 银行存款
        BankDeposit = "BANK_DEPOSIT",
        /// 购买保险
        Insurance = "INSURANCE",
        /// 有价证券
        Securities = "SECURITIES",
        /// 消费性车辆
        Vehicle = "VEHICLE",
        /// 财政供养人员
        PublicPayroll = "PUBLIC_PAYROLL",
    }
}

codes! {
    /// How a lead came in: the three channels (S15) and the others (S16).
    LeadChannel {
        /// 农户自主申报 (S17)
        SelfDeclaration = "SELF_DECLARATION",
        /// 干部排查 (S21)
        CadreCheck = "CADRE_CHECK",
        /// 部门筛查预警 (S24)
        DepartmentAlert = "DEPARTMENT_ALERT",
        /// 信访 (S16)
        Petition = "PETITION",
        /// 媒体 (S16)
        Media = "MEDIA",
        /// 审计、巡视 (S16)
        Audit = "AUDIT",
    }
}

codes! {
    /// A place where notices have to hang (S30).
    NoticePlaceKind {
        /// 村委会: one in every village.
        Committee = "COMMITTEE",
        /// 村内集中居住点; required from 20 households on.
        Concentration = "CONCENTRATION",
        /// 易地扶贫搬迁安置点
        RelocationSite = "RELOCATION_SITE",
    }
}

codes! {
    /// What a public notice announces.
    NoticeKind {
        /// 拟纳入监测对象
        Identification = "IDENTIFICATION",
        /// 拟消除风险
        Elimination = "ELIMINATION",
    }
}

codes! {
    /// How a risk went away.
    EliminationKind {
        /// 帮扶消除: by measures.
        ByAssistance = "BY_ASSISTANCE",
        /// 自然消除: by itself.
        Natural = "NATURAL",
    }
}

codes! {
    /// Colour grade of an alert.
    Severity {
        /// 红: verify at once.
        Red = "RED",
        /// 黄: verify soon.
        Yellow = "YELLOW",
        /// 绿: at the next monthly visit.
        Green = "GREEN",
    }
}

codes! {
    /// What a household already is to the mechanism; alert thresholds depend on it.
    SubjectClass {
        /// 监测对象
        Enrolled = "ENROLLED",
        /// 脱贫户
        Former = "FORMER",
        /// 低收入
        LowIncome = "LOW_INCOME",
        /// 一般农户
        General = "GENERAL",
    }
}

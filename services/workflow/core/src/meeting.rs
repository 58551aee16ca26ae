//! A democratic appraisal: one meeting of a village decides about many households (S27, WF-13).

use chrono::NaiveDate;
use kernel::Category;

use crate::command::Appraisal;

kernel::codes! {
    /// In which capacity somebody takes part (S27).
    Capacity {
        /// 村民代表; they vote.
        VillagerRepresentative = "VILLAGER_REPRESENTATIVE",
        /// 乡镇联络干部
        TownshipLiaison = "TOWNSHIP_LIAISON",
        /// 村干部
        VillageCadre = "VILLAGE_CADRE",
        /// 村“两委”
        CommitteeMember = "COMMITTEE_MEMBER",
        /// 驻村工作队
        ResidentTeam = "RESIDENT_TEAM",
    }
}

/// Who came to a meeting, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// Day of the meeting.
    pub held: NaiveDate,
    /// The capacities of everybody on the sign-in sheet. Nobody is named here.
    pub attendees: Vec<Vec<Capacity>>,
    /// Everybody was asked for a conflict of interest.
    pub conflicts_declared: bool,
    /// Hashes of minutes, sign-in sheet and vote sheet.
    pub evidence: Vec<String>,
}

/// What a meeting decided of one household.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ballot {
    /// Relatives of the household, by their place among the attendees.
    pub conflicted: Vec<usize>,
    /// Votes for.
    pub votes_for: u32,
    /// Votes against.
    pub votes_against: u32,
    /// Abstentions.
    pub votes_abstained: u32,
    /// Category that the meeting proposes; identification only.
    pub category: Option<Category>,
    /// Why the vote is against.
    pub reason: String,
}

impl Meeting {
    /// The appraisal of one household: whoever is its relative counts neither as present nor as a
    /// voter (WF-2).
    #[must_use]
    pub fn appraisal(&self, ballot: &Ballot) -> Appraisal {
        let is_free = |(at, _): &(usize, &Vec<Capacity>)| !ballot.conflicted.contains(at);
        let present = self.attendees.iter().enumerate().filter(is_free);
        let present: Vec<&Vec<Capacity>> = present.map(|(_, capacities)| capacities).collect();
        let count = |capacity| {
            let those = present.iter().filter(|own| own.contains(&capacity));
            // A hall holds fewer.
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        Appraisal {
            held: self.held,
            villager_representatives: count(Capacity::VillagerRepresentative),
            township_liaisons: count(Capacity::TownshipLiaison),
            village_cadres: count(Capacity::VillageCadre),
            committee_members: count(Capacity::CommitteeMember),
            resident_team: count(Capacity::ResidentTeam),
            votes_for: ballot.votes_for,
            votes_against: ballot.votes_against,
            votes_abstained: ballot.votes_abstained,
            conflicts_declared: self.conflicts_declared,
            category: ballot.category,
            reason: ballot.reason.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

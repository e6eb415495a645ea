//! What is known of each name, and when it is asked for again. No I/O and no clock: answers and times come in.
//!
//! ```text
//!               good answer                       ttl x (0.8 to 0.9): asked again
//!  unknown ------------------> good (fresh) --------------------------------------> good (fresh), perhaps changed
//!     | ^                          | no answer: asked again after 5 s, 10 s, ... 60 s
//!     | |                          v
//!     | `---- stale_max ------ good (stale) --- good answer ---> good (fresh)
//!     `-- no answer: 5 s, 10 s, ... 60 s
//! ```

use super::cache::Kept;
use super::lookup::{Answer, LookupError};
use crate::base::limits::DNS_QUESTIONS_IN_FLIGHT_MAX;
use crate::base::{Instant, Rng, Span};
use crate::control::config::boot::DnsSpec;
use crate::table::{NoOrigin, OriginName, OriginRecord, Resolved};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A day, the longest time that an answer holds before it is asked for again.
const TTL_MAX: Span = Span::from_secs(86_400);
/// The pause after the first question without a good answer; each further one doubles it.
const RETRY: Span = Span::from_secs(5);
/// The longest such pause.
const RETRY_MAX: Span = Span::from_secs(60);

/// How long answers hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameTerms {
    /// The least time that a record's own ttl counts for, where the app names none.
    pub ttl_min: Span,
    /// How long after its making the last good answer may be used.
    pub stale_max: Span,
}

/// What one end of a question brought about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameNews {
    /// All is as it was.
    Same,
    /// There is an answer, and there was none.
    Resolved,
    /// The answer is another one.
    Changed,
    /// No answer for the first time: the last good one is used on.
    Stale,
    /// There is no usable answer (any more).
    Gone,
}

/// How one name stands, for listings.
#[derive(Clone, Debug)]
pub struct NameState {
    /// The last good answer.
    pub records: Option<Arc<[OriginRecord]>>,
    /// When it was given, in seconds since the Unix epoch.
    pub learned_unix_s: Option<u64>,
    /// Questions since then that brought none.
    pub failures: u32,
    /// Why the last one brought none.
    pub error: Option<String>,
    /// When it is asked for next.
    pub next: Instant,
    /// Records of the last answer beyond the bound.
    pub left_out: usize,
    none: NoOrigin,
    /// What the apps say of the time to live; `None`: the records do.
    ttl: Option<Span>,
    stale_until: Instant,
    asking: bool,
}

/// All names that apps in force need.
pub struct Names {
    terms: NameTerms,
    rng: Rng,
    entries: HashMap<OriginName, NameState>,
    /// Who is asked for next; those being asked for are not in.
    order: BTreeSet<(Instant, OriginName)>,
    asking: usize,
    /// Answers from before the start.
    spare: HashMap<OriginName, Kept>,
}

impl Names {
    /// None yet; `kept` is what was known before the start, `seed` spreads the questions.
    pub fn new(terms: NameTerms, kept: Vec<Kept>, seed: u64) -> Self {
        let spare = kept.into_iter().map(|kept| (kept.question.clone(), kept)).collect();
        let (entries, order) = (HashMap::new(), BTreeSet::new());
        Self { terms, rng: Rng::new(seed), entries, order, asking: 0, spare }
    }

    /// The names that are needed from now on, with what the apps say of their time to live. `unix_s` is the wall time.
    pub fn want(&mut self, wanted: &HashMap<OriginName, Option<Span>>, now: Instant, unix_s: u64) {
        self.entries.retain(|question, _| wanted.contains_key(question));
        self.order.retain(|(_, question)| wanted.contains_key(question));
        self.asking = self.entries.values().filter(|entry| entry.asking).count();
        for (question, ttl) in wanted {
            if let Some(entry) = self.entries.get_mut(question) {
                entry.ttl = *ttl;
                continue;
            }
            let kept = self.spare.remove(question).filter(|kept| self.terms.holds(kept, unix_s));
            let age = kept.as_ref().map_or(0, |kept| unix_s.saturating_sub(kept.learned_unix_s));
            let left = Span::from_nanos(self.terms.stale_max.nanos().saturating_sub(seconds(age)));
            let entry = NameState {
                learned_unix_s: kept.as_ref().map(|kept| kept.learned_unix_s),
                records: kept.map(|kept| kept.records),
                failures: 0,
                error: None,
                next: now,
                left_out: 0,
                none: NoOrigin::Unresolved,
                ttl: *ttl,
                stale_until: now + left,
                asking: false,
            };
            self.entries.insert(question.clone(), entry);
            self.order.insert((now, question.clone()));
        }
        self.spare.clear();
    }

    /// A name whose time has come, which is being asked for from now on; `None` when there is none, or when enough are
    /// being asked for.
    pub fn next_due(&mut self, now: Instant) -> Option<OriginName> {
        if self.asking >= DNS_QUESTIONS_IN_FLIGHT_MAX || self.order.first()?.0 > now {
            return None;
        }
        let (_, question) = self.order.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&question) {
            entry.asking = true;
            self.asking += 1;
        }
        Some(question)
    }

    /// Takes what a question brought.
    pub fn settle(
        &mut self,
        question: &OriginName,
        result: Result<Answer, LookupError>,
        now: Instant,
        unix_s: u64,
    ) -> NameNews {
        let Some(entry) = self.entries.get_mut(question).filter(|entry| entry.asking) else {
            // Not needed any more, or not again yet.
            return NameNews::Same;
        };
        entry.asking = false;
        self.asking -= 1;
        let (news, pause) = match result {
            Ok(answer) => entry.learn(answer, &self.terms, now, unix_s),
            Err(error) => entry.fail(&error, now),
        };
        // Questions that went out together do not stay together.
        let share = 900 - self.rng.below(100);
        entry.next = now + Span::from_nanos(pause.nanos() / 1_000 * share);
        if entry.records.is_some() && entry.failures > 0 {
            entry.next = entry.next.min(entry.stale_until.max(now));
        }
        self.order.insert((entry.next, question.clone()));
        news
    }

    /// What the compiler is told.
    pub fn answers(&self) -> HashMap<OriginName, Resolved> {
        let resolved = |entry: &NameState| match &entry.records {
            Some(records) => Resolved::Good(records.clone()),
            None => Resolved::Nothing(entry.none),
        };
        self.entries.iter().map(|(question, entry)| (question.clone(), resolved(entry))).collect()
    }

    /// What goes to disk.
    pub fn kept(&self) -> Vec<Kept> {
        let mut kept: Vec<Kept> = self
            .entries
            .iter()
            .filter_map(|(question, entry)| {
                let (question, records) = (question.clone(), entry.records.clone()?);
                Some(Kept { question, records, learned_unix_s: entry.learned_unix_s? })
            })
            .collect();
        kept.sort_by(|a, b| a.question.cmp(&b.question));
        kept
    }

    /// How a name stands.
    pub fn state(&self, question: &OriginName) -> Option<&NameState> {
        self.entries.get(question)
    }

    /// How all names stand.
    pub fn states(&self) -> impl Iterator<Item = &NameState> {
        self.entries.values()
    }
}

impl NameTerms {
    /// Those of the boot config.
    pub const fn of(spec: &DnsSpec) -> Self {
        Self { ttl_min: spec.ttl_min, stale_max: spec.stale_max }
    }

    /// Whether an answer of before the start may still be used.
    pub fn holds(&self, kept: &Kept, unix_s: u64) -> bool {
        seconds(unix_s.saturating_sub(kept.learned_unix_s)) < self.stale_max.nanos()
    }
}

impl NameState {
    /// Whether the answer is used although the last question brought none.
    pub fn is_stale(&self) -> bool {
        self.records.is_some() && self.failures > 0
    }

    fn learn(&mut self, answer: Answer, terms: &NameTerms, now: Instant, unix_s: u64) -> (NameNews, Span) {
        let news = match &self.records {
            None => NameNews::Resolved,
            Some(old) if *old == answer.records => NameNews::Same,
            Some(_) => NameNews::Changed,
        };
        let own = Span::from_secs(u64::from(answer.ttl_s));
        let ttl = self.ttl.unwrap_or_else(|| own.clamp(terms.ttl_min, TTL_MAX));
        (self.records, self.learned_unix_s) = (Some(answer.records), Some(unix_s));
        (self.failures, self.error, self.left_out) = (0, None, answer.left_out);
        self.stale_until = now + terms.stale_max.max(ttl);
        (news, if answer.partial { RETRY_MAX.min(ttl) } else { ttl })
    }

    fn fail(&mut self, error: &LookupError, now: Instant) -> (NameNews, Span) {
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error.to_string());
        self.none = match error {
            LookupError::Nothing | LookupError::NoAnswer(_) => NoOrigin::Unresolved,
            LookupError::Ours(_) => NoOrigin::Failed,
        };
        let pause = Span::from_nanos(RETRY.nanos() << (self.failures - 1).min(8)).min(RETRY_MAX);
        let news = if self.records.is_some() && now >= self.stale_until {
            (self.records, self.learned_unix_s) = (None, None);
            NameNews::Gone
        } else if self.records.is_some() && self.failures == 1 {
            NameNews::Stale
        } else if self.records.is_none() {
            NameNews::Gone
        } else {
            NameNews::Same
        };
        (news, pause)
    }
}

const fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::table::{DnsName, OriginDnsKind};

    const TERMS: NameTerms = NameTerms { ttl_min: Span::from_secs(60), stale_max: Span::from_secs(3_600) };
    /// Wall time at the clock's zero.
    const UNIX_S: u64 = 1_700_000_000;

    struct Play {
        names: Names,
        now: u64,
    }

    impl Play {
        fn new(kept: Vec<Kept>) -> Self {
            Self { names: Names::new(TERMS, kept, 7), now: 0 }
        }

        fn at(&self) -> Instant {
            Instant::ZERO + Span::from_secs(self.now)
        }

        fn want(&mut self, list: &[(&str, Option<u64>)]) {
            let wanted = list.iter().map(|(name, ttl)| (question(name), ttl.map(Span::from_secs))).collect();
            let (now, unix_s) = (self.at(), UNIX_S + self.now);
            self.names.want(&wanted, now, unix_s);
        }

        /// Lets time pass until the next question; how long that took, in seconds.
        fn wait(&mut self) -> u64 {
            let since = self.now;
            while self.names.next_due(self.at()).is_none() {
                self.now += 1;
                assert!(self.now < since + 100_000, "nobody is ever asked for");
            }
            self.now - since
        }

        fn hear(&mut self, result: Result<Answer, LookupError>) -> NameNews {
            let (now, unix_s) = (self.at(), UNIX_S + self.now);
            self.names.settle(&question("o.x"), result, now, unix_s)
        }

        fn resolved(&self) -> Resolved {
            self.names.answers()[&question("o.x")].clone()
        }
    }

    fn question(name: &str) -> OriginName {
        OriginName { name: DnsName::new(name).expect("a name"), kind: OriginDnsKind::A }
    }

    fn records(last: u8) -> Arc<[OriginRecord]> {
        vec![OriginRecord { priority: 0, addr: Addr::v4([192, 0, 2, last]), port: None, weight: 0 }].into()
    }

    fn good(last: u8, ttl_s: u32) -> Result<Answer, LookupError> {
        Ok(Answer { records: records(last), ttl_s, partial: false, left_out: 0 })
    }

    fn silence() -> Result<Answer, LookupError> {
        Err(LookupError::NoAnswer("timed out".into()))
    }

    #[test]
    fn a_name_is_asked_for_at_once_and_again_before_its_ttl_is_over() {
        for (own, of_app, least, most) in [
            (300, None, 240, 270),
            (5, None, 48, 54),
            (300, Some(600), 480, 540),
            (1 << 30, None, 69_000, 77_761),
        ] {
            let mut play = Play::new(vec![]);
            play.want(&[("o.x", of_app)]);
            assert_eq!(play.wait(), 0);
            assert_eq!(play.hear(good(1, own)), NameNews::Resolved);
            let waited = play.wait();
            assert!((least..=most).contains(&waited), "{own} {of_app:?}: {waited}");
            assert_eq!(play.hear(good(1, own)), NameNews::Same);
        }
    }

    #[test]
    fn a_changed_answer_is_news_and_a_partial_one_is_asked_for_again_soon() {
        let mut play = Play::new(vec![]);
        play.want(&[("o.x", Some(86_400))]);
        play.wait();
        play.hear(good(1, 300));
        play.wait();
        let partial = good(2, 300).map(|answer| Answer { partial: true, ..answer });
        assert_eq!(play.hear(partial), NameNews::Changed);
        assert_eq!(play.resolved(), Resolved::Good(records(2)));
        assert!(play.wait() <= 60);
    }

    #[test]
    fn without_answers_the_last_good_one_is_used_until_it_is_too_old() {
        let mut play = Play::new(vec![]);
        play.want(&[("o.x", None)]);
        play.wait();
        play.hear(good(1, 60));
        let learned = play.now;
        play.wait();
        assert_eq!(play.hear(silence()), NameNews::Stale);
        let mut pauses = Vec::new();
        loop {
            pauses.push(play.wait());
            match play.hear(Err(LookupError::Nothing)) {
                NameNews::Same => assert_eq!(play.resolved(), Resolved::Good(records(1))),
                news => {
                    assert_eq!(news, NameNews::Gone);
                    break;
                }
            }
        }
        assert!(
            pauses[0] <= 5 && pauses[1] > pauses[0] && pauses.iter().all(|pause| *pause <= 54),
            "{pauses:?}"
        );
        assert_eq!(play.now - learned, 3_600, "gone to the second");
        assert_eq!(play.resolved(), Resolved::Nothing(NoOrigin::Unresolved));
        play.wait();
        assert_eq!(play.hear(good(1, 60)), NameNews::Resolved);
        assert!(!play.names.state(&question("o.x")).expect("known").is_stale());
    }

    #[test]
    fn what_was_never_resolved_says_why() {
        let mut play = Play::new(vec![]);
        play.want(&[("o.x", None)]);
        assert_eq!(play.resolved(), Resolved::Nothing(NoOrigin::Unresolved));
        play.wait();
        assert_eq!(play.hear(Err(LookupError::Ours("no socket".into()))), NameNews::Gone);
        assert_eq!(play.resolved(), Resolved::Nothing(NoOrigin::Failed));
    }

    #[test]
    fn answers_from_before_the_start_serve_while_they_are_young_enough() {
        let kept =
            |age| Kept { question: question("o.x"), records: records(9), learned_unix_s: UNIX_S - age };
        let mut play = Play::new(vec![kept(3_500)]);
        play.want(&[("o.x", None)]);
        assert_eq!(play.resolved(), Resolved::Good(records(9)));
        assert_eq!(play.names.kept(), [kept(3_500)]);
        while play.resolved() == Resolved::Good(records(9)) {
            play.wait();
            play.hear(silence());
        }
        assert_eq!(play.now, 100, "its age before the start counts");
        let mut play = Play::new(vec![kept(3_600)]);
        play.want(&[("o.x", None)]);
        assert_eq!(play.resolved(), Resolved::Nothing(NoOrigin::Unresolved));
    }

    #[test]
    fn questions_in_flight_are_bounded_and_late_answers_of_dropped_names_are_ignored() {
        let mut play = Play::new(vec![]);
        let list: Vec<String> = (0..DNS_QUESTIONS_IN_FLIGHT_MAX + 5).map(|n| format!("o{n}.x")).collect();
        play.want(&list.iter().map(|name| (name.as_str(), None)).collect::<Vec<_>>());
        let asked: Vec<OriginName> = std::iter::from_fn(|| play.names.next_due(Instant::ZERO)).collect();
        assert_eq!(asked.len(), DNS_QUESTIONS_IN_FLIGHT_MAX);
        play.want(&[("o.x", None)]);
        assert_eq!(play.names.settle(&asked[0], good(1, 60), Instant::ZERO, UNIX_S), NameNews::Same);
        assert_eq!(play.names.answers().len(), 1);
        assert_eq!(play.names.next_due(Instant::ZERO), Some(question("o.x")));
    }
}

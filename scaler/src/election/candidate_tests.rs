use proptest::prelude::*;

use super::*;

/// A Lease that one API server keeps, as far as candidates see it.
#[derive(Default)]
struct Server {
    lease: Option<Record>,
    version: u64,
}

impl Server {
    fn carry_out(&mut self, step: &Step) -> Answer {
        match (step, &self.lease) {
            (Step::Read, None) => Answer::Absent,
            (Step::Read, Some(lease)) => Answer::Is(lease.clone()),
            (Step::Create(record), None) => self.store(record),
            (Step::Replace(record), Some(lease)) if record.version == lease.version => {
                self.store(record)
            }
            _ => Answer::Conflict,
        }
    }

    fn store(&mut self, record: &Record) -> Answer {
        self.version += 1;
        let stored = Record {
            version: self.version.to_string(),
            ..record.clone()
        };
        self.lease = Some(stored.clone());
        Answer::Is(stored)
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::new(Duration::from_millis(ms))
}

fn candidate(name: &str) -> Candidate {
    Candidate::new(name.to_owned(), format!("{name}:9100"), Timing::default())
}

/// One round with instant answers.
fn round(candidate: &mut Candidate, server: &mut Server, now: Timestamp) {
    for _ in 0..4 {
        let step = candidate.next(now);
        if step == Step::Wait {
            break;
        }
        let answer = server.carry_out(&step);
        let won = matches!(answer, Answer::Is(_)) && step != Step::Read;
        candidate.answered(&step, answer, now, now);
        if won {
            break;
        }
    }
    candidate.rest();
}

fn leads(candidate: &Candidate, now: Timestamp) -> Option<u64> {
    match candidate.standing(now) {
        Standing::Leader(lead) => Some(lead.term),
        Standing::Standby { .. } => None,
    }
}

#[test]
fn the_first_one_leads_and_the_second_learns_where() {
    let (mut server, mut a, mut b) = (Server::default(), candidate("a"), candidate("b"));
    round(&mut a, &mut server, at(0));
    round(&mut b, &mut server, at(100));
    assert_eq!((leads(&a, at(100)), leads(&b, at(100))), (Some(1), None));
    let known = Standing::Standby {
        leader_address: Some("a:9100".to_owned()),
        term: 1,
    };
    assert_eq!(b.standing(at(100)), known);
    round(&mut a, &mut server, at(700));
    assert_eq!(leads(&a, at(700)), Some(1), "a renewal is no new term");
}

#[test]
fn nobody_is_sent_to_where_they_are() {
    let (mut server, mut before) = (Server::default(), candidate("a"));
    round(&mut before, &mut server, at(0));
    let address = "a:9100".to_owned();
    let mut restarted = Candidate::new("b".to_owned(), address, Timing::default());
    round(&mut restarted, &mut server, at(100));
    let standby = Standing::Standby {
        leader_address: None,
        term: 1,
    };
    assert_eq!(restarted.standing(at(100)), standby);
}

#[test]
fn a_standby_takes_over_once_nothing_changed_for_the_lease() {
    let (mut server, mut a, mut b) = (Server::default(), candidate("a"), candidate("b"));
    round(&mut a, &mut server, at(0));
    round(&mut b, &mut server, at(100));
    round(&mut b, &mut server, at(3_000));
    assert_eq!(leads(&b, at(3_000)), None, "seen for 2.9 s only");
    round(&mut b, &mut server, at(3_100));
    assert_eq!(leads(&b, at(3_100)), Some(2));
    assert_eq!(leads(&a, at(2_600)), None, "long before that");
    round(&mut a, &mut server, at(3_200));
    assert_eq!(leads(&a, at(3_200)), None);
}

#[test]
fn a_released_lease_is_taken_at_the_next_look() {
    let (mut server, mut a, mut b) = (Server::default(), candidate("a"), candidate("b"));
    round(&mut a, &mut server, at(0));
    round(&mut b, &mut server, at(100));
    let released = a.release().unwrap();
    assert_eq!(leads(&a, at(150)), None, "before the write is even sent");
    server.carry_out(&Step::Replace(released));
    round(&mut b, &mut server, at(600));
    assert_eq!(leads(&b, at(600)), Some(2));
    assert_eq!(b.release().map(|record| record.term), Some(2));
    assert!(a.release().is_none(), "there is nothing to give up");
}

#[test]
fn a_renewal_whose_answer_was_lost_is_found_again() {
    let (mut server, mut a) = (Server::default(), candidate("a"));
    round(&mut a, &mut server, at(0));
    let step = a.next(at(700));
    server.carry_out(&step);
    a.answered(&step, Answer::Unknown, at(700), at(1_500));
    assert_eq!(leads(&a, at(1_500)), Some(1), "the old deadline holds");
    round(&mut a, &mut server, at(1_500));
    assert_eq!(leads(&a, at(4_000)), Some(1), "renewed at 1.5 s, same term");
    assert_eq!(leads(&a, at(4_100)), None);
}

#[test]
fn a_leadership_that_lapsed_comes_back_as_another_one() {
    let (mut server, mut a) = (Server::default(), candidate("a"));
    round(&mut a, &mut server, at(0));
    assert_eq!(leads(&a, at(2_600)), None, "an API server was away");
    round(&mut a, &mut server, at(20_000));
    assert_eq!(
        leads(&a, at(20_000)),
        Some(2),
        "though nobody led in between"
    );
}

#[test]
fn a_deleted_lease_ends_the_leadership_and_is_made_again() {
    let (mut server, mut a) = (Server::default(), candidate("a"));
    round(&mut a, &mut server, at(0));
    server.lease = None;
    let step = a.next(at(700));
    assert!(matches!(step, Step::Replace(_)));
    // A PUT to what does not exist is a 404.
    a.answered(&step, Answer::Absent, at(700), at(700));
    assert_eq!(leads(&a, at(700)), None);
    round(&mut a, &mut server, at(700));
    assert_eq!(leads(&a, at(700)), Some(2), "terms go on");
}

#[test]
fn a_lease_deleted_under_its_holder_is_not_taken_before_it_would_have_ended() {
    let (mut server, mut a, mut b) = (Server::default(), candidate("a"), candidate("b"));
    round(&mut a, &mut server, at(0));
    round(&mut b, &mut server, at(100));
    server.lease = None;
    round(&mut b, &mut server, at(600));
    assert_eq!((leads(&a, at(600)), leads(&b, at(600))), (Some(1), None));
    round(&mut b, &mut server, at(3_100));
    assert_eq!(leads(&b, at(3_100)), Some(2));
}

/// One thing that happens in the test below.
#[derive(Debug, Clone)]
enum Happening {
    /// A candidate runs one request of its round, which takes this long; is it delivered at all, and
    /// does its answer come back?
    Request {
        who: usize,
        takes_ms: u64,
        delivered: bool,
        answered: bool,
    },
    /// Time passes: a pause of every process, the API server's outage.
    Pause { ms: u64 },
    /// A candidate gives up in order.
    Release { who: usize },
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let request = (
        0usize..3,
        0u64..800,
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(who, takes_ms, delivered, answered)| Happening::Request {
            who,
            takes_ms,
            delivered,
            answered,
        });
    let pause = (0u64..4_000).prop_map(|ms| Happening::Pause { ms });
    let release = (0usize..3).prop_map(|who| Happening::Release { who });
    prop::collection::vec(prop_oneof![20 => request, 4 => pause, 1 => release], 1..120)
}

proptest! {
    /// However requests are lost, delayed and interleaved, no two lead at one moment, and terms
    /// tell leaderships apart.
    #[test]
    fn one_leads_at_a_time(happenings in happenings()) {
        let mut server = Server::default();
        let mut candidates = [candidate("a"), candidate("b"), candidate("c")];
        let mut now = 0;
        let mut holders = std::collections::BTreeMap::new();
        for happening in happenings {
            match happening {
                Happening::Pause { ms } => now += ms,
                Happening::Release { who } => {
                    if let Some(record) = candidates[who].release() {
                        server.carry_out(&Step::Replace(record));
                    }
                }
                Happening::Request { who, takes_ms, delivered, answered } => {
                    let asked_at = at(now);
                    let step = candidates[who].next(asked_at);
                    if step == Step::Wait {
                        candidates[who].rest();
                        continue;
                    }
                    let answer = if delivered { server.carry_out(&step) } else { Answer::Unknown };
                    now += takes_ms;
                    let answer = if answered { answer } else { Answer::Unknown };
                    candidates[who].answered(&step, answer, asked_at, at(now));
                }
            }
            let leading: Vec<(usize, u64)> = (0..3)
                .filter_map(|who| Some((who, leads(&candidates[who], at(now))?)))
                .collect();
            prop_assert!(leading.len() <= 1, "{leading:?}");
            for (who, term) in leading {
                prop_assert_eq!(*holders.entry(term).or_insert(who), who, "term {}", term);
            }
        }
    }
}

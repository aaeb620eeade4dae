//! How many people listen, counted from the requests they make, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Most listeners told apart at one time. Beyond them nobody new is counted.
const CAPACITY: usize = 4096;

/// Who was heard of lately.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Keyed at random, so that nobody can choose whom to be taken for.
    hasher: RandomState,
    seen: HashMap<u64, Instant>,
    /// How long a listener is remembered after a request.
    memory: Duration,
}

impl Listeners {
    pub(super) fn new(memory: Duration) -> Self {
        Self { hasher: RandomState::new(), seen: HashMap::new(), memory }
    }

    /// Somebody at `address` who says `agent` of itself asked for something.
    pub(super) fn saw(&mut self, address: IpAddr, agent: &[u8], now: Instant) {
        let who = self.hasher.hash_one((address, agent));
        if let Some(last) = self.seen.get_mut(&who) {
            *last = now;
            return;
        }
        if self.seen.len() == CAPACITY {
            self.forget(now);
        }
        if self.seen.len() < CAPACITY {
            self.seen.insert(who, now);
        }
    }

    /// How many were heard of lately.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.forget(now);
        self.seen.len()
    }

    fn forget(&mut self, now: Instant) {
        let memory = self.memory;
        self.seen.retain(|_, last| now.saturating_duration_since(*last) < memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn one_person_is_counted_once_and_forgotten_in_time() {
        let mut listeners = Listeners::new(Duration::from_secs(8));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        listeners.saw(address(1), b"phone", after(0));
        listeners.saw(address(1), b"phone", after(1));
        listeners.saw(address(1), b"laptop", after(4));
        listeners.saw(address(2), b"phone", after(5));
        assert_eq!(listeners.count(after(5)), 3);
        assert_eq!(listeners.count(after(9)), 2);
        assert_eq!(listeners.count(after(13)), 0);
    }

    #[test]
    fn a_crowd_costs_bounded_memory_and_leaves_room_once_it_is_gone() {
        let mut listeners = Listeners::new(Duration::from_secs(8));
        let start = Instant::now();
        for number in 0..3 * CAPACITY as u32 {
            listeners.saw(address(number), b"", start);
        }
        assert_eq!(listeners.count(start), CAPACITY);
        let later = start + Duration::from_secs(9);
        listeners.saw(address(0), b"", later);
        assert_eq!(listeners.count(later), 1);
    }
}

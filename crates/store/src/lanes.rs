//! A bounded queue with a lane for each of those who put things into it, so that whoever brings much waits for themselves.

use std::collections::{HashMap, VecDeque};

/// What waits, by lane.
pub(crate) struct Lanes<T> {
    lanes: HashMap<String, VecDeque<T>>,
    /// The lanes that are not empty, in the order in which their turns come.
    turns: VecDeque<String>,
    waiting: usize,
    room: usize,
    lane_of: fn(&T) -> &str,
}

impl<T> Lanes<T> {
    /// Lanes with room for so many things in all; each thing says which is its own.
    pub(crate) fn new(room: usize, lane_of: fn(&T) -> &str) -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), waiting: 0, room, lane_of }
    }

    /// Puts it at the end of its lane and gives it back if that is full: if it holds as much as there is room left for all.
    /// One that is alone gets half of the room, of two each gets a third; for whoever comes next there is always some.
    pub(crate) fn put(&mut self, item: T) -> Option<T> {
        let left = self.room - self.waiting;
        let lane = (self.lane_of)(&item);
        match self.lanes.get_mut(lane) {
            Some(held) if held.len() >= left => return Some(item),
            Some(held) => held.push_back(item),
            None if left == 0 => return Some(item),
            None => {
                let lane = lane.to_owned();
                self.turns.push_back(lane.clone());
                self.lanes.insert(lane, VecDeque::from([item]));
            }
        }
        self.waiting += 1;
        None
    }

    /// Takes so many at most: one of each lane in turn, the oldest of each first.
    pub(crate) fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.waiting));
        while taken.len() < most
            && let Some(lane) = self.turns.pop_front()
        {
            let Some(held) = self.lanes.get_mut(&lane) else { continue };
            taken.extend(held.pop_front());
            if held.is_empty() {
                self.lanes.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
        }
        self.waiting -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Puts things into a lane until it is full; how many it took.
    fn fill(lanes: &mut Lanes<(&'static str, usize)>, lane: &'static str) -> usize {
        (0..9).take_while(|item| lanes.put((lane, *item)).is_none()).count()
    }

    #[test]
    fn whoever_floods_leaves_room_for_others_and_waits_for_themselves() {
        let mut lanes: Lanes<(&str, usize)> = Lanes::new(8, |(lane, _)| lane);
        assert_eq!((fill(&mut lanes, "flood"), fill(&mut lanes, "other")), (4, 2));
        assert_eq!(lanes.put(("third", 0)), None);
        assert_eq!(lanes.take(4), [("flood", 0), ("other", 0), ("third", 0), ("flood", 1)]);
        assert_eq!(lanes.take(9), [("other", 1), ("flood", 2), ("flood", 3)]);
        // The others have left: its share is half of the room again.
        assert_eq!(fill(&mut lanes, "flood"), 4);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_turned_and_no_lane_alone_fills_the_room(
            room in 2usize..40,
            steps in prop::collection::vec((0usize..4, 0usize..9), 0..200),
        ) {
            const NAMES: [&str; 4] = ["", "a", "b", "c"];
            let (mut taken, mut put) = (Vec::new(), Vec::new());
            let mut lanes: Lanes<(&str, usize)> = Lanes::new(room, |(lane, _)| lane);
            for (number, (lane, most)) in steps.into_iter().enumerate() {
                if lane == 0 {
                    taken.extend(lanes.take(most));
                } else if lanes.put((NAMES[lane], number)).is_none() {
                    put.push((NAMES[lane], number));
                }
                prop_assert!(lanes.waiting < room || (lanes.waiting == room && lanes.lanes.len() > 1));
            }
            taken.extend(lanes.take(usize::MAX));
            for lane in NAMES {
                let of = |all: &[(&'static str, usize)]| all.iter().filter(|(of, _)| *of == lane).copied().collect::<Vec<_>>();
                prop_assert_eq!(of(&taken), of(&put));
            }
            prop_assert!(lanes.take(1).is_empty() && lanes.lanes.is_empty());
        }
    }
}

//! The order in which the apps of an environment change: what uses another app's image, addresses or volumes comes after it.

use std::collections::{BTreeMap, BTreeSet};

/// Component to the components that it comes after.
pub(super) type Order = BTreeMap<String, BTreeSet<String>>;

/// A circle in `order`, its first member repeated at the end.
pub(super) fn cycle(order: &Order) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    order.keys().find_map(|start| {
        let mut path = Vec::new();
        walk(order, start, &mut path, &mut done)
    })
}

fn walk(order: &Order, at: &str, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
    if let Some(from) = path.iter().position(|each| each == at) {
        let mut cycle: Vec<String> = path.iter().skip(from).cloned().collect();
        cycle.push(at.to_owned());
        return Some(cycle);
    }
    if done.contains(at) {
        return None;
    }
    path.push(at.to_owned());
    let found = order.get(at).into_iter().flatten().find_map(|next| walk(order, next, path, done));
    path.pop();
    done.insert(at.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(edges: &[(&str, &str)]) -> Order {
        let mut order = Order::new();
        for (from, to) in edges {
            order.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        order
    }

    #[test]
    fn a_circle_is_found_and_a_diamond_is_none() {
        assert_eq!(cycle(&order(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), None);
        assert_eq!(
            cycle(&order(&[("a", "b"), ("b", "c"), ("c", "b")])),
            Some(["b", "c", "b"].map(str::to_owned).to_vec())
        );
        assert_eq!(cycle(&order(&[("a", "a")])), Some(["a", "a"].map(str::to_owned).to_vec()));
    }
}

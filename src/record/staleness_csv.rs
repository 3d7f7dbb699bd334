//! `staleness.csv`: how old the gradients of an asynchronous method were.

use crate::method::gradient::asynchronous::Staleness;

/// The table as a file: an age in updates, how many gradients had it, and their share.
pub fn staleness_csv(staleness: &Staleness) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["staleness", "gradients", "share"])?;
    let all: u64 = staleness.counts().map(|(_, count)| count).sum();
    for (age, count) in staleness.counts() {
        let share = count as f64 / all as f64;
        writer.write_record([age.to_string(), count.to_string(), format!("{share:?}")])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_order_with_their_shares() {
        let mut staleness = Staleness::default();
        [3, 0, 3, 3].into_iter().for_each(|age| staleness.count(age));
        let text = String::from_utf8(staleness_csv(&staleness).unwrap()).unwrap();
        assert_eq!(text, "staleness,gradients,share\n0,1,0.25\n3,3,0.75\n");
    }
}

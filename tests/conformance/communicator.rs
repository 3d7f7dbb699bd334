//! What every communicator must do, whatever carries the bytes. Called on every rank of a job.

use es_train::comm::{Communicator, all_gather_equal, broadcast_vec};

/// Bytes that tell who sent them and where in the message they stand.
fn message(rank: usize, length: usize) -> Vec<u8> {
    (0..length).map(|place| (rank * 31 + place) as u8).collect()
}

/// Panics if `comm` breaks its contract.
pub fn check(comm: &dyn Communicator) {
    let (rank, size) = (comm.rank(), comm.size());
    assert!(rank < size && comm.ranks_on_node() >= 1 && comm.ranks_on_node() <= size);
    let others = size as u64 - 1;
    let mut sent = comm.bytes_sent();
    let mut sends = |expected: u64| {
        let now = comm.bytes_sent();
        assert_eq!(now - sent, expected, "payload bytes over all {size} ranks");
        sent = now;
    };

    // Uneven contributions, some of them empty.
    for scale in [0, 1, 1000] {
        let counts: Vec<usize> = (0..size).map(|r| (r * 7 % 5) * scale).collect();
        let total: usize = counts.iter().sum();
        let expected: Vec<u8> = (0..size).flat_map(|r| message(r, counts[r])).collect();
        let mine = message(rank, counts[rank]);

        let mut all = vec![0xff; total];
        comm.all_gather(&mine, &counts, &mut all).unwrap();
        assert_eq!(all, expected, "all_gather on rank {rank} of {size}");
        sends(total as u64 * others);

        let mut all = vec![0xff; if rank == 0 { total } else { 0 }];
        comm.gather(&mine, &counts, &mut all).unwrap();
        if rank == 0 {
            assert_eq!(all, expected, "gather on {size} ranks");
        }
        sends((total - counts[0]) as u64);
    }

    for length in [0, 1, 100_000] {
        let mut bytes = if rank == 0 { message(9, length) } else { vec![0; length] };
        comm.broadcast(&mut bytes).unwrap();
        assert_eq!(bytes, message(9, length), "broadcast on rank {rank} of {size}");
        sends(length as u64 * others);
    }

    // A length that only rank 0 knows.
    let mut bytes = if rank == 0 { message(5, 321) } else { vec![1, 2, 3] };
    broadcast_vec(comm, &mut bytes).unwrap();
    assert_eq!(bytes, message(5, 321));
    sends((8 + 321) * others);

    let all = all_gather_equal(comm, &[rank as u8, 7]).unwrap();
    assert_eq!(all, (0..size).flat_map(|r| [r as u8, 7]).collect::<Vec<_>>());

    // Many small ones in a row must not run into each other.
    for round in 0..200u64 {
        let mut all = vec![0; 8 * size];
        let mine = (round * 1000 + rank as u64).to_le_bytes();
        comm.all_gather(&mine, &vec![8; size], &mut all).unwrap();
        for (r, word) in all.chunks_exact(8).enumerate() {
            assert_eq!(word, (round * 1000 + r as u64).to_le_bytes());
        }
    }

    parcels(comm);
    messages(comm);
    crossing(comm);

    // Broken preconditions are errors, found before anything is sent.
    assert!(comm.all_gather(&[1], &vec![1; size + 1], &mut vec![0; size + 1]).is_err());
    assert!(comm.all_gather(&[1], &vec![1; size], &mut vec![0; size + 1]).is_err());
    assert!(comm.all_gather(&[1, 2], &vec![1; size], &mut vec![0; size]).is_err());
    assert!(comm.send(rank, &[1]).is_err() && comm.send(size, &[1]).is_err());
}

/// Every rank sends to every other at once, of all lengths, and an empty parcel is one.
fn parcels(comm: &dyn Communicator) {
    let (rank, size) = (comm.rank(), comm.size());
    let parcel = |from: usize, to: usize| vec![(7 * from + to) as u8; (from * 3 + to) % 5];
    let others = || (0..size).filter(|&other| other != rank);
    for _ in 0..3 {
        let outgoing: Vec<_> = others().map(|to| (to, parcel(rank, to))).collect();
        let outgoing: Vec<(usize, &[u8])> =
            outgoing.iter().map(|(to, bytes)| (*to, bytes.as_slice())).collect();
        let mut rooms: Vec<_> =
            others().map(|from| (from, vec![0; parcel(from, rank).len()])).collect();
        let mut incoming: Vec<(usize, &mut [u8])> =
            rooms.iter_mut().map(|(from, room)| (*from, room.as_mut_slice())).collect();
        let before = (comm.bytes_sent(), comm.bytes_sent_alone());
        comm.exchange(&outgoing, &mut incoming).unwrap();
        let sent: usize = outgoing.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(comm.bytes_sent() - before.0, sent as u64);
        assert_eq!(comm.bytes_sent_alone() - before.1, sent as u64);
        for (from, room) in rooms {
            assert_eq!(room, parcel(from, rank), "from rank {from} to rank {rank}");
        }
    }
    assert!(comm.exchange(&[(rank, &[1])], &mut []).is_err());
    assert!(comm.exchange(&[], &mut [(size, &mut [0])]).is_err());
}

/// Every rank asks rank 0, which answers in the order of arrival, while nobody is in a collective.
fn messages(comm: &dyn Communicator) {
    let (rank, size) = (comm.rank(), comm.size());
    let receive = || loop {
        match comm.poll().unwrap() {
            Some(message) => break message,
            None => std::thread::yield_now(),
        }
    };
    if rank == 0 {
        let mut asked = vec![0; size];
        for _ in 0..3 * (size - 1) {
            let (from, question) = receive();
            // The messages of one rank keep their order, and their lengths.
            assert_eq!(question, message(from, asked[from]));
            asked[from] += 1;
            let before = comm.bytes_sent();
            comm.send(from, &message(from + 1, 9)).unwrap();
            assert_eq!(comm.bytes_sent() - before, 9);
        }
    } else {
        for round in 0..3 {
            comm.send(0, &message(rank, round)).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(receive(), (0, message(rank + 1, 9)));
        }
    }
    comm.broadcast(&mut [0]).unwrap();
    assert_eq!(comm.poll().unwrap(), None, "rank {rank} got a message that nobody sent");
    // Whoever polls may be told that a rank has left: nobody leaves before all have polled.
    all_gather_equal(comm, &[1]).unwrap();
}

/// Every rank sends long and short messages to every other before any of them looks for one.
fn crossing(comm: &dyn Communicator) {
    let (rank, size) = (comm.rank(), comm.size());
    // Longer than what a transport keeps for a receiver that does not look.
    let lengths = [1_500_000 / size, 0, 300_000 / size];
    let others = || (0..size).filter(|&other| other != rank);
    let before = (comm.bytes_sent(), comm.bytes_sent_alone());
    for length in lengths {
        others().for_each(|to| comm.send(to, &message(rank + to, length)).unwrap());
    }
    let sent = (lengths.iter().sum::<usize>() * (size - 1)) as u64;
    assert_eq!((comm.bytes_sent() - before.0, comm.bytes_sent_alone() - before.1), (sent, sent));
    // The last one says that its sender has heard all: until then the sender looks for messages, which may
    // be what lets its own go on their way.
    let mut heard = vec![0; size];
    let mut has_said = false;
    while others().any(|from| heard[from] <= lengths.len()) {
        if !has_said && others().all(|from| heard[from] >= lengths.len()) {
            others().for_each(|to| comm.send(to, &message(rank, 3)).unwrap());
            has_said = true;
        }
        let Some((from, bytes)) = comm.poll().unwrap() else {
            std::thread::yield_now();
            continue;
        };
        let expected = match lengths.get(heard[from]) {
            Some(length) => message(from + rank, *length),
            None => message(from, 3),
        };
        assert!(bytes == expected, "message {} from rank {from} to rank {rank}", heard[from]);
        heard[from] += 1;
    }
    all_gather_equal(comm, &[1]).unwrap();
}

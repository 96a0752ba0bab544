use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};

use super::*;

/// What the calls of a test have in common.
struct Board {
    batches: Mutex<Vec<Vec<usize>>>,
    panics: bool,
    may_run: Semaphore,
    begun: Notify,
    alone: AtomicUsize,
}

struct Call {
    number: usize,
    board: Arc<Board>,
}

impl Gather for Call {
    type Lane = &'static str;
    type Answer = usize;
    const PATIENCE: Duration = Duration::from_millis(300);

    fn lane(&self) -> &'static str {
        "lane"
    }

    async fn together(calls: Vec<Arc<Self>>) -> Vec<Option<usize>> {
        let board = Arc::clone(&calls[0].board);
        let numbers: Vec<usize> = calls.iter().map(|call| call.number).collect();
        board.batches.lock().push(numbers.clone());
        board.begun.notify_one();
        board.may_run.acquire().await.unwrap().forget();
        assert!(!board.panics, "as planned");
        // Every third has to go alone.
        let answer = |number: usize| (!number.is_multiple_of(3)).then_some(number);
        numbers.into_iter().map(answer).collect()
    }
}

fn board(panics: bool) -> Arc<Board> {
    Arc::new(Board {
        batches: Mutex::default(),
        panics,
        may_run: Semaphore::new(0),
        begun: Notify::new(),
        alone: AtomicUsize::new(0),
    })
}

fn call(number: usize, board: &Arc<Board>) -> Arc<Call> {
    let board = Arc::clone(board);
    Arc::new(Call { number, board })
}

fn first(lanes: &Lanes<Call>, board: &Arc<Board>) -> Turn<Call> {
    match lanes.enter(&call(0, board)) {
        Place::First(turn) => turn,
        _ => panic!("somebody is there"),
    }
}

fn behind(lanes: &Lanes<Call>, number: usize, board: &Arc<Board>) -> Behind<Call> {
    match lanes.enter(&call(number, board)) {
        Place::Behind(place) => place,
        _ => panic!("nobody is there, or too many"),
    }
}

/// Waits, goes alone when told so, and answers what it was told.
async fn told(place: Behind<Call>) -> Result<Option<usize>, TooLong> {
    let board = Arc::clone(&place.call.board);
    Ok(match place.word().await? {
        Some(Word::Answer(number)) => Some(number),
        Some(Word::Turn(_)) | None => {
            board.alone.fetch_add(1, Ordering::Relaxed);
            None
        }
    })
}

#[tokio::test]
async fn those_that_wait_go_together_in_the_order_they_came() {
    let (lanes, board) = (Lanes::default(), board(false));
    let turn = first(&lanes, &board);
    let places: Vec<_> = (1..=40).map(|it| behind(&lanes, it, &board)).collect();
    assert_eq!(lanes.waiting(), 40);
    board.may_run.add_permits(2);
    drop(turn);
    let answers = futures_util::future::join_all(places.into_iter().map(told)).await;
    let expected = (1..=40_usize).map(|it| Ok((!it.is_multiple_of(3)).then_some(it)));
    assert_eq!(answers, expected.collect::<Vec<_>>());
    let batches: Vec<Vec<usize>> = vec![(1..=32).collect(), (33..=40).collect()];
    assert_eq!(*board.batches.lock(), batches);
    // The lane is gone with the last of them.
    while lanes.0.lock().contains_key("lane") {
        tokio::task::yield_now().await;
    }
    drop(first(&lanes, &board));
}

#[tokio::test]
async fn one_that_waits_alone_gets_the_turn() {
    let (lanes, board) = (Lanes::default(), board(false));
    let turn = first(&lanes, &board);
    let (one, two) = (behind(&lanes, 1, &board), behind(&lanes, 2, &board));
    // Who goes away is passed over.
    drop(one);
    drop(turn);
    let Ok(Some(Word::Turn(turn))) = two.word().await else {
        panic!("it is its turn");
    };
    assert_eq!(lanes.waiting(), 0);
    assert!(matches!(lanes.enter(&call(3, &board)), Place::Behind(_)));
    drop(turn);
    assert!(lanes.0.lock().is_empty() && board.batches.lock().is_empty());
}

#[tokio::test]
async fn nobody_is_left_waiting_when_those_that_go_together_panic() {
    let (lanes, board) = (Lanes::default(), board(true));
    let turn = first(&lanes, &board);
    let places: Vec<_> = (1..=40).map(|it| behind(&lanes, it, &board)).collect();
    board.may_run.add_permits(2);
    drop(turn);
    let answers = futures_util::future::join_all(places.into_iter().map(told)).await;
    assert!(answers.iter().all(|answer| *answer == Ok(None)));
    assert_eq!(board.alone.load(Ordering::Relaxed), 40);
    assert_eq!(board.batches.lock().len(), 2);
}

#[tokio::test]
async fn nobody_is_left_waiting_when_the_runtime_ends() {
    let (lanes, board) = (Lanes::default(), board(false));
    let turn = first(&lanes, &board);
    let places: Vec<_> = (1..=100).map(|it| behind(&lanes, it, &board)).collect();
    std::thread::spawn(move || drop(turn)).join().unwrap();
    let answers = futures_util::future::join_all(places.into_iter().map(told)).await;
    assert!(answers.iter().all(|answer| *answer == Ok(None)));
    assert!(lanes.0.lock().is_empty());
}

#[tokio::test]
async fn a_full_lane_takes_nobody() {
    let (lanes, board) = (Lanes::default(), board(false));
    let turn = first(&lanes, &board);
    let places: Vec<_> = (0..WAITING).map(|it| behind(&lanes, it, &board)).collect();
    assert!(matches!(lanes.enter(&call(9, &board)), Place::Full));
    drop(places);
    drop(turn);
    drop(first(&lanes, &board));
}

#[tokio::test]
async fn who_waits_too_long_has_done_nothing_and_who_is_being_run_is_answered() {
    let (lanes, board) = (Lanes::default(), board(false));
    let turn = first(&lanes, &board);
    assert_eq!(told(behind(&lanes, 1, &board)).await, Err(TooLong));
    assert_eq!(lanes.waiting(), 0);
    let (four, five) = (behind(&lanes, 4, &board), behind(&lanes, 5, &board));
    drop(turn);
    board.begun.notified().await;
    let later = async {
        tokio::time::sleep(2 * Call::PATIENCE).await;
        board.may_run.add_permits(1);
    };
    let (four, five, ()) = tokio::join!(told(four), told(five), later);
    assert_eq!((four, five), (Ok(Some(4)), Ok(Some(5))));
    assert_eq!(*board.batches.lock(), [vec![4, 5]]);
}

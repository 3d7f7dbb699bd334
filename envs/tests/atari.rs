//! Games of the Arcade Learning Environment, from pixels. Where there is no Gymnasium or no ale-py
//! the tests say so and pass.

use es_envs::{Action, Env, EnvError, Image, Setting};

const PONG: &str = "ale_py:ALE/Pong-v5";

fn make(options: &str) -> Result<Box<dyn Env>, EnvError> {
    let options = options.parse().unwrap();
    es_envs::make(PONG, &Setting { options, ..Setting::from_environment() })
}

/// Pong with these options beside `preprocessing`; `None` without what it needs.
fn pong(options: &str) -> Option<Box<dyn Env>> {
    match make(&format!("preprocessing = \"atari\"\nrepeat_action_probability = 0.0\n{options}")) {
        Ok(env) => Some(env),
        Err(error @ EnvError::Missing { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn start(env: &mut dyn Env, seed: u64) -> Vec<f32> {
    let mut observation = vec![f32::NAN; env.spec().observation_size];
    env.reset(seed, &mut observation).unwrap();
    observation
}

/// Plays so many steps of a fixed order of actions; the return and the last observation.
fn play(env: &mut dyn Env, seed: u64, steps: usize) -> (f64, Vec<f32>) {
    let mut observation = start(env, seed);
    let mut total = 0.0;
    for step in 0..steps {
        total += env.step(Action::Discrete(step / 3 % 6), &mut observation).unwrap().reward;
    }
    (total, observation)
}

#[test]
fn a_game_is_seen_as_four_grey_frames_of_84_by_84() {
    let Some(mut env) = pong("") else { return };
    let spec = env.spec().clone();
    assert_eq!(spec.image, Some(Image { height: 84, width: 84, channels: 4 }));
    assert_eq!((spec.observation_size, spec.frames_per_second), (28_224, 15.0));
    assert!(spec.software.iter().any(|(name, _)| name == "cv2"), "{:?}", spec.software);

    let first = start(&mut *env, 1);
    assert!(first.iter().all(|share| (0.0..=1.0).contains(share)));
    assert!(first.chunks(4).all(|pixel| pixel == [pixel[0]; 4]), "the frames of a reset differ");
    assert!(first.iter().any(|&share| share != first[0]), "nothing is to be seen");

    // The frame before is the third channel after a step.
    let (_, before) = play(&mut *env, 1, 30);
    let (_, after) = play(&mut *env, 1, 31);
    let frame = |observation: &[f32], channel| -> Vec<f32> {
        observation.iter().skip(channel).step_by(4).copied().collect()
    };
    assert_eq!(frame(&before, 3), frame(&after, 2));
    assert_ne!(frame(&after, 3), frame(&after, 2));
}

#[test]
fn a_seed_repeats_the_game_whatever_was_played_before() {
    let Some(mut env) = pong("") else { return };
    let first = play(&mut *env, 7, 120);
    play(&mut *env, 8, 50);
    assert_eq!(play(&mut *env, 7, 120), first);
    let mut other = pong("").unwrap();
    assert_eq!(play(&mut *other, 7, 120), first);
    assert!(env.renew().unwrap());
    assert_eq!(play(&mut *env, 7, 120), first);
    assert!(first.0 < 0.0, "a hundred steps lose points: {}", first.0);
}

#[test]
fn the_options_of_the_preprocessing_do_what_they_say() {
    let Some(mut plain) = pong("noop_max = 0") else { return };
    assert_eq!(play(&mut *plain, 1, 5), play(&mut *plain, 2, 5));
    let mut drawn = pong("").unwrap();
    assert_ne!(play(&mut *drawn, 1, 30), play(&mut *drawn, 2, 30));

    let small = pong("screen_size = 42\nframe_stack = 1\nframe_skip = 2\nmax_episode_steps = 9");
    let mut small = small.unwrap();
    assert_eq!(small.spec().image, Some(Image { height: 42, width: 42, channels: 1 }));
    assert_eq!(small.spec().max_episode_steps, Some(9));
    assert_eq!(small.spec().frames_per_second, 30.0);
    let mut observation = start(&mut *small, 1);
    let mut ends = |_| small.step(Action::Discrete(0), &mut observation).unwrap().ends();
    assert_eq!((0..9).map(&mut ends).filter(|ends| *ends).count(), 1);
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    if pong("").is_none() {
        return;
    }
    for (options, parts) in [
        ("preprocessing = \"grey\"", ["preprocessing = \"grey\"", "expected \"atari\""]),
        ("preprocessing = \"atari\"\nframeskip = 2", ["frameskip:", "frame_skip"]),
        ("preprocessing = \"atari\"\nobs_type = \"ram\"", ["obs_type:", "leave it out"]),
        ("preprocessing = \"atari\"\nframe_stack = 0", ["frame_stack = 0", "at least 1"]),
        ("preprocessing = \"atari\"\nnoop_max = 2.5", ["noop_max = 2.5", "a whole number"]),
        ("preprocessing = \"atari\"\nspeed = 3", ["speed", "unexpected keyword"]),
        ("frame_stack = 4", ["frame_stack", "unexpected keyword"]),
    ] {
        let error = make(options).err().unwrap();
        assert!(matches!(error, EnvError::Options { .. }), "{error:?}");
        for part in parts {
            assert!(error.to_string().contains(part), "{options}: no `{part}` in {error}");
        }
    }
    let options = "preprocessing = \"atari\"".parse().unwrap();
    let setting = Setting { options, ..Setting::from_environment() };
    let error = es_envs::make("gymnasium:CartPole-v1", &setting).err().unwrap().to_string();
    assert!(error.contains("Arcade Learning Environment"), "{error}");
}

//! Environments of Python's Gymnasium: every kind of space, and every kind of trouble. Where there
//! is no Gymnasium the tests say so and pass.

use std::path::PathBuf;
use std::process::Command;

use es_envs::{Action, ActionSpace, Env, EnvError, Image, Setting, Tools, gymnasium_version};

/// Sets the scene once for all tests: the modules beside this file can be imported, and workers
/// that hang are given up soon. `None` without Gymnasium.
fn setting() -> Option<Setting> {
    let setting = Setting::from_environment();
    match gymnasium_version(&setting.tools) {
        Ok(_) => Some(setting),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// Makes `oddities:NAME-v0`. The test's working directory is where Python looks for the module.
fn make(setting: &Setting, name: &str, options: &str) -> Result<Box<dyn Env>, EnvError> {
    std::env::set_current_dir(folder()).unwrap();
    let setting = Setting { options: options.parse().unwrap(), ..setting.clone() };
    es_envs::make(&format!("oddities:{name}-v0"), &setting)
}

fn start(env: &mut dyn Env) -> Vec<f32> {
    let mut observation = vec![f32::NAN; env.spec().observation_size];
    env.reset(1, &mut observation).unwrap();
    observation
}

#[test]
fn dictionaries_and_tuples_are_flattened_and_discrete_actions_start_where_they_start() {
    let Some(setting) = setting() else { return };
    let mut env = make(&setting, "dictionary", "").unwrap();
    assert_eq!(env.spec().actions, ActionSpace::Discrete(4));
    assert_eq!(env.spec().max_episode_steps, Some(50));
    assert_eq!(env.spec().frames_per_second, 12.0);
    // Gymnasium flattens a Dict in the order of its keys: box, more, one.
    let expected = [1., 2., 3., 4., 0., 1., 0., 1., 0., 0., 1., 0., 0., 1.];
    assert_eq!(start(&mut *env), expected);
    let mut observation = vec![0.0; expected.len()];
    let step = env.step(Action::Discrete(2), &mut observation).unwrap();
    assert_eq!((step.reward, observation), (5.0, expected.to_vec()));
    let error = env.step(Action::Discrete(4), &mut [0.0; 14]).unwrap_err();
    assert!(matches!(error, EnvError::Action { .. }), "{error}");
}

#[test]
fn several_choices_and_whole_numbers_arrive_as_they_are_meant() {
    let Some(setting) = setting() else { return };
    let mut env = make(&setting, "multi_discrete", "scale = 2.0").unwrap();
    assert_eq!(env.spec().actions, ActionSpace::MultiDiscrete(vec![3, 2, 4]));
    assert_eq!(start(&mut *env), [0.0, 0.0, 1.0]);
    let step = env.step(Action::MultiDiscrete(&[2, 1, 3]), &mut [0.0; 3]).unwrap();
    assert_eq!(step.reward, 2.0 * 312.0);

    let mut env = make(&setting, "multi_binary", "").unwrap();
    assert_eq!(env.spec().actions, ActionSpace::MultiDiscrete(vec![2; 4]));
    assert_eq!(start(&mut *env), [1.0, 0.0, 1.0]);
    let step = env.step(Action::MultiDiscrete(&[1, 0, 1, 1]), &mut [0.0; 3]).unwrap();
    assert_eq!(step.reward, 1101.0);

    let mut env = make(&setting, "integers", "").unwrap();
    let actions = ActionSpace::Continuous { low: vec![-5.0; 2], high: vec![5.0; 2] };
    assert_eq!(env.spec().actions, actions);
    assert_eq!(start(&mut *env), [0.0, 1.0, 1.0, 0.0]);
    let step = env.step(Action::Continuous(&[2.6, -1.2]), &mut [0.0; 4]).unwrap();
    assert_eq!(step.reward, -7.0);
}

#[test]
fn pictures_come_with_their_channels_side_by_side_and_other_bytes_as_they_are() {
    let Some(setting) = setting() else { return };
    let image = |height, width, channels| Some(Image { height, width, channels });
    let shares =
        |bytes: &[u8]| -> Vec<f32> { bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect() };
    let straight = |length| shares(&(0..length).collect::<Vec<u8>>());
    for (shape, expected, observation) in [
        ("[5]", None, vec![0.0, 1.0, 2.0, 3.0, 4.0]),
        ("[2, 3]", image(2, 3, 1), straight(6)),
        ("[4, 4, 3]", image(4, 4, 3), straight(48)),
        ("[2, 2, 3]", image(2, 3, 2), shares(&[0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])),
        ("[2, 2, 1, 2]", image(2, 1, 4), shares(&[0, 1, 4, 5, 2, 3, 6, 7])),
    ] {
        let mut env = make(&setting, "picture", &format!("shape = {shape}")).unwrap();
        assert_eq!(env.spec().image, expected, "{shape}");
        assert_eq!(start(&mut *env), observation, "{shape}");
    }
}

/// The message of an environment that cannot be made.
fn refused(setting: &Setting, name: &str, options: &str) -> EnvError {
    make(setting, name, options).err().unwrap_or_else(|| panic!("{name} was made"))
}

#[test]
fn what_cannot_be_made_is_refused_by_name() {
    let Some(setting) = setting() else { return };
    for (name, options, part) in [
        ("text", "", "Text(1, 5"),
        ("tuple_action", "", "action space Tuple(Discrete(2))"),
        ("dictionary", "speed = 3", "speed"),
        ("dictionary", "render_mode = \"human\"", "--render"),
        ("nothing", "", "nothing"),
    ] {
        let error = refused(&setting, name, options);
        assert!(matches!(error, EnvError::Options { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "no `{part}` in {error}");
    }
    let error = es_envs::make("gymnasium:no_such_module:X-v0", &setting).err().unwrap();
    assert!(matches!(error, EnvError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("no_such_module"), "{error}");

    let error = refused(&setting, "trouble", "kind = \"dies when made\"");
    assert!(matches!(error, EnvError::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("exit code 7"), "{error}");
    assert!(error.to_string().contains("no disk left"), "{error}");
}

#[test]
fn without_python_the_error_says_what_to_install() {
    let tools = Tools { python: Some("/nonexistent/python".into()), ..Tools::default() };
    let error = gymnasium_version(&tools).unwrap_err().to_string();
    for part in ["/nonexistent/python", "pip install gymnasium", "--python"] {
        assert!(error.contains(part), "no `{part}` in {error}");
    }
}

/// Takes steps until one fails.
fn trouble(setting: &Setting, kind: &str) -> (Box<dyn Env>, EnvError) {
    let mut env = make(setting, "trouble", &format!("kind = \"{kind}\"")).unwrap();
    start(&mut *env);
    for _ in 0..2 {
        env.step(Action::Discrete(1), &mut [0.0; 2]).unwrap();
    }
    let error = env.step(Action::Discrete(1), &mut [0.0; 2]).unwrap_err();
    (env, error)
}

#[test]
fn an_exception_is_told_with_its_traceback_and_the_worker_lives_on() {
    let Some(setting) = setting() else { return };
    let (mut env, error) = trouble(&setting, "raises");
    assert!(matches!(error, EnvError::Failed { .. }), "{error:?}");
    let text = error.to_string();
    for part in ["Traceback", "oddities.py", "self.raise_error()", "the motor burns at step 3"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(start(&mut *env), [0.0, 0.0]);
    assert_eq!(env.step(Action::Discrete(1), &mut [0.0; 2]).unwrap().reward, 1.0);
}

#[test]
fn a_worker_that_dies_is_lost_with_its_last_words() {
    let Some(setting) = setting() else { return };
    for (kind, parts) in [
        ("exits", ["exit code 9", "my last words"]),
        ("killed", ["killed by signal 9", "worker process is gone"]),
    ] {
        let (mut env, error) = trouble(&setting, kind);
        assert!(matches!(error, EnvError::Lost { .. }), "{error:?}");
        for part in parts {
            assert!(error.to_string().contains(part), "no `{part}` in {error}");
        }
        let again = env.reset(1, &mut [0.0; 2]).unwrap_err();
        assert!(matches!(again, EnvError::Lost { .. }), "{again:?}");
    }
}

#[test]
fn an_environment_that_prints_and_reads_does_no_harm() {
    let Some(setting) = setting() else { return };
    let mut env = make(&setting, "trouble", "kind = \"prints\"").unwrap();
    start(&mut *env);
    let steps: Vec<_> =
        (0..5).map(|_| env.step(Action::Discrete(0), &mut [0.0; 2]).unwrap()).collect();
    assert!(steps.iter().all(|step| step.reward == 1.0 && !step.terminated));
    assert_eq!(steps.iter().filter(|step| step.truncated).count(), 1);
}

#[test]
fn careless_environments_repeat_by_seed_and_are_built_anew_when_asked() {
    let Some(setting) = setting() else { return };
    let mut env = make(&setting, "careless", "").unwrap();
    let (first, second) = (start(&mut *env), start(&mut *env));
    assert_eq!(first[..3], second[..3]);
    assert_eq!((first[3], second[3]), (1.0, 2.0));
    assert!(env.renew().unwrap());
    assert_eq!(start(&mut *env), first);
}

#[test]
fn pictures_come_where_there_are_any() {
    let Some(setting) = setting() else { return };
    let setting = Setting { pictures: true, ..setting };
    let mut env = make(&setting, "multi_discrete", "").unwrap();
    start(&mut *env);
    let picture = env.render().unwrap();
    assert_eq!((picture.width, picture.height), (9, 6));
    assert_eq!(picture.rgb, vec![200; 3 * 54]);

    let mut env = make(&setting, "careless", "").unwrap();
    start(&mut *env);
    let error = env.render().unwrap_err().to_string();
    assert!(error.contains("render_mode rgb_array"), "{error}");
}

/// The same environment stepped inside Python, line by line.
fn reference(setting: &Setting, id: &str, options: &str, steps: u32) -> Option<Vec<Vec<f64>>> {
    let python = setting.tools.python.clone().unwrap_or_else(|| "python3".into());
    let output = Command::new(python)
        .arg(folder().join("trajectory.py"))
        .args([id, options, "5", &steps.to_string()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("skipped: {id}: {}", errors.lines().last().unwrap_or_default());
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = |line: &str| line.split(' ').map(|cell| cell.parse().unwrap()).collect();
    Some(text.lines().map(numbers).collect())
}

#[test]
fn the_wire_changes_no_bit_of_what_python_sees() {
    let Some(setting) = setting() else { return };
    for (id, options, steps) in [
        ("CartPole-v1", "", 300),
        ("Pendulum-v1", "g = 9.0", 300),
        ("MountainCarContinuous-v0", "", 300),
        ("LunarLander-v3", "", 300),
        ("ale_py:ALE/Pong-v5", "obs_type = \"ram\"\nrepeat_action_probability = 0.0", 100),
    ] {
        let options: toml::Table = options.parse().unwrap();
        let Some(rows) = reference(&setting, id, &serde_json(&options), steps) else { continue };
        let setting = Setting { options, ..setting.clone() };
        let mut env = es_envs::make(&format!("gymnasium:{id}"), &setting).unwrap();
        let actions = env.spec().actions.clone();
        let mut observation = vec![0.0; env.spec().observation_size];
        env.reset(5, &mut observation).unwrap();
        let row = |reward: f64, ends: [bool; 2], observation: &[f32]| -> Vec<f64> {
            let head = [reward, f64::from(u8::from(ends[0])), f64::from(u8::from(ends[1]))];
            head.into_iter().chain(observation.iter().map(|&value| f64::from(value))).collect()
        };
        assert_eq!(row(0.0, [false; 2], &observation), rows[0], "{id}");
        for (number, expected) in rows[1..].iter().enumerate() {
            let step = match &actions {
                ActionSpace::Discrete(n) => {
                    env.step(Action::Discrete(number * 7 / 3 % n), &mut observation)
                }
                ActionSpace::Continuous { low, high } => {
                    let part = (number * 5 % 9) as f32 / 8.0;
                    let action: Vec<f32> =
                        low.iter().zip(high).map(|(low, high)| low + (high - low) * part).collect();
                    env.step(Action::Continuous(&action), &mut observation)
                }
                ActionSpace::MultiDiscrete(_) => unreachable!("none of these"),
            };
            let step = step.unwrap();
            let seen = row(step.reward, [step.terminated, step.truncated], &observation);
            assert_eq!(seen, *expected, "{id} step {number}");
        }
    }
}

/// Options of numbers and words as JSON.
fn serde_json(options: &toml::Table) -> String {
    let entries: Vec<String> =
        options.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

//! The MuJoCo tasks by themselves: options, trouble, pictures. Where there is no MuJoCo the tests say
//! so and pass.

use es_envs::{Action, Env, EnvError, Mujoco, Setting, Tools};

/// A task with these options; `None` where MuJoCo is not.
fn make(id: &str, options: &str) -> Option<Result<Mujoco, EnvError>> {
    let setting = Setting { options: options.parse().unwrap(), ..Setting::from_environment() };
    match Mujoco::new(id, &setting) {
        Err(error @ EnvError::Missing { .. }) => {
            println!("skipped: {error}");
            None
        }
        made => Some(made),
    }
}

#[test]
fn wrong_options_are_named_with_what_would_be_right() {
    for (id, options, parts) in [
        ("HalfCheetah-v5", "speed = 2", ["unknown option `speed`", "`ctrl_cost_weight`"]),
        ("HalfCheetah-v5", "ctrl_cost_weight = \"low\"", ["ctrl_cost_weight = \"low\"", "f64"]),
        ("HalfCheetah-v5", "frame_skip = 0", ["frame_skip = 0", "at least 1"]),
        ("HalfCheetah-v5", "max_episode_steps = 0", ["max_episode_steps = 0", "at least 1"]),
        ("HalfCheetah-v5", "render_mode = \"human\"", ["render_mode", "--render"]),
        ("HalfCheetah-v5", "xml_file = \"none.xml\"", ["none.xml", "no such file"]),
        ("Reacher-v5", "xml_file = \"hopper.xml\"", ["positions", "fingertip"]),
        ("Ant-v5", "main_body = 77", ["main_body = 77", "0 to 13"]),
        ("Ant-v5", "main_body = \"head\"", ["main_body", "no body named `head`"]),
        ("Ant-v5", "contact_force_range = [1, -1]", ["contact_force_range", "smaller end first"]),
        ("Hopper-v5", "healthy_z_range = [1]", ["healthy_z_range", "length 2"]),
    ] {
        let Some(made) = make(id, options) else { return };
        let error = made.err().unwrap_or_else(|| panic!("{id} took {options}"));
        assert!(matches!(error, EnvError::Options { .. }), "{error:?}");
        let text = error.to_string();
        // A model may lack several things; the first that is found is named.
        let named = parts.iter().filter(|part| text.contains(**part)).count();
        assert!(named == 2 || (id == "Reacher-v5" && named == 1), "{parts:?} in {text}");
    }
}

#[test]
fn options_of_pictures_change_nothing_else() {
    let Some(plain) = make("Swimmer-v5", "") else { return };
    let other = make(
        "Swimmer-v5",
        "width = 100\ncamera_id = 0\ndefault_camera_config = { distance = 2.0 }",
    );
    let (mut plain, mut other) = (plain.unwrap(), other.unwrap().unwrap());
    assert_eq!(plain.spec(), other.spec());
    let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
    plain.reset(3, &mut first).unwrap();
    other.reset(3, &mut second).unwrap();
    assert_eq!(first, second);
}

#[test]
fn a_simulation_that_diverges_is_a_fault_and_the_next_reset_heals_it() {
    for id in ["HalfCheetah-v5", "Humanoid-v5"] {
        let Some(env) = make(id, "") else { return };
        let mut env = env.unwrap();
        let size = env.spec().observation_size;
        let actions = vec![0.0; if id == "Humanoid-v5" { 17 } else { 6 }];
        let play = |env: &mut Mujoco| {
            let mut observation = vec![0.0; size];
            env.reset(11, &mut observation).unwrap();
            for _ in 0..5 {
                env.step(Action::Continuous(&actions), &mut observation).unwrap();
            }
            observation
        };
        let healthy = play(&mut env);

        let (positions, velocities) = env.state();
        for wild in [1e12, f64::NAN] {
            let mut observation = vec![0.0; size];
            let broken: Vec<f64> = velocities.iter().map(|_| wild).collect();
            let error = env
                .set_state(&positions, &broken, &mut observation)
                .and_then(|()| env.step(Action::Continuous(&actions), &mut observation).map(drop))
                .unwrap_err();
            assert!(matches!(error, EnvError::Failed { .. }), "{error:?}");
            assert!(error.to_string().contains("diverged"), "{error}");
            assert_eq!(play(&mut env), healthy, "{id}");
        }
    }
    assert!(!std::path::Path::new("MUJOCO_LOG.TXT").exists());
}

#[test]
fn a_library_that_is_none_is_refused_with_what_to_install() {
    for library in ["/nonexistent/libmujoco.so", "/etc/passwd"] {
        let mujoco_library = Some(library.into());
        let tools = Tools { mujoco_library, ..Tools::from_environment() };
        let setting = Setting { tools, ..Setting::default() };
        let error = Mujoco::new("Hopper-v5", &setting).err().unwrap();
        assert!(matches!(error, EnvError::Missing { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("pip install mujoco==4.0.0"), "{text}");
    }
}

#[test]
fn a_picture_shows_the_state_and_changes_no_step() {
    let Some(env) = make("Swimmer-v5", "width = 120\nheight = 90") else { return };
    let mut env = env.unwrap();
    let mut seen = [0.0; 8];
    env.reset(1, &mut seen).unwrap();
    let first = match env.render() {
        Ok(picture) => picture,
        // A machine without a graphics library.
        Err(error) => return println!("skipped: {error}"),
    };
    assert_eq!((first.width, first.height), (120, 90));
    let step = |env: &mut Mujoco| {
        let mut seen = [0.0; 8];
        env.step(Action::Continuous(&[1.0, -1.0]), &mut seen).unwrap();
        seen
    };
    let after = [step(&mut env), step(&mut env)];
    assert!(env.render().unwrap() != first);

    let mut unseen = make("Swimmer-v5", "").unwrap().unwrap();
    unseen.reset(1, &mut seen).unwrap();
    assert_eq!([step(&mut unseen), step(&mut unseen)], after);
}

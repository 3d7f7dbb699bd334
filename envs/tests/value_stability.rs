//! The exact bits of one short run per environment. They are promised to be the same on any
//! machine, so a change here is a change of every training run and needs to be meant.

use es_envs::{Action, ActionSpace, Provider, Setting, ids, make};

/// Per id: the observation after a reset with seed 1, and after 20 fixed actions, and the sum of
/// their rewards.
const EXPECTED: [(&str, &[u32], &[u32], u64); 10] = [
    (
        "CartPole-v1",
        &[0x3cff_45ce, 0x3cca_6d9d, 0xbd23_c737, 0x3cc9_b36c],
        &[0xbd8c_95a0, 0xbec0_e468, 0x3e12_e819, 0x3f5d_7a40],
        0x4034_0000_0000_0000,
    ),
    (
        "MountainCar-v0",
        &[0xbee0_1746, 0x0000_0000],
        &[0xbf0a_54bb, 0xbbed_c944],
        0xc034_0000_0000_0000,
    ),
    (
        "MountainCarContinuous-v0",
        &[0xbee0_1746, 0x0000_0000],
        &[0xbf08_b42b, 0xbc03_7f36],
        0xbff2_adf9_c2ef_4821,
    ),
    (
        "Pendulum-v1",
        &[0xbec1_4ac8, 0x3f6d_0e55, 0x3efd_0905],
        &[0xbf0b_b79b, 0xbf56_82e5, 0xc00c_9ab4],
        0xc05f_dc9f_c8ee_1dfd,
    ),
    (
        "Acrobot-v1",
        &[0x3f7f_80c4, 0x3d7f_1b82, 0x3f7f_affc, 0x3d4a_5885, 0xbda3_c737, 0x3d49_b36c],
        &[0x3f7f_ff96, 0xbb68_d0a0, 0x3f7f_ff95, 0x3b6a_7691, 0x3e9a_7039, 0xbf52_0da8],
        0xc034_0000_0000_0000,
    ),
    ("Sphere-v0", &[0x3f80_0000], &[0x3f80_0000], 0xc0ca_515f_6546_29df),
    ("Ellipsoid-v0", &[0x3f80_0000], &[0x3f80_0000], 0xc1d9_97bc_18bb_2464),
    ("Rosenbrock-v0", &[0x3f80_0000], &[0x3f80_0000], 0xc199_27ed_2f4c_73ac),
    ("Rastrigin-v0", &[0x3f80_0000], &[0x3f80_0000], 0xc0cd_9096_9c6c_92c4),
    (
        "DeceptiveMaze-v0",
        &[
            0x3f11_4a02,
            0x3f05_ff09,
            0x3ebd_7fd2,
            0x3f05_ff09,
            0x3f17_abc1,
            0x3f4f_5492,
            0x3f7d_783b,
            0x3c4c_37d8,
        ],
        &[
            0x3f18_ec87,
            0x3f07_81f2,
            0x3ebf_a2fc,
            0x3f07_81f0,
            0x3f10_093c,
            0x3f4e_42fd,
            0x3f7e_89d0,
            0xbc8e_3476,
        ],
        0xbf95_bf6f_1966_1d00,
    ),
];

/// What `EXPECTED` holds, as an environment gives it now.
fn run(id: &str) -> (Vec<u32>, Vec<u32>, u64) {
    let mut env = make(id, &Setting::default()).unwrap();
    let mut observation = vec![0.0_f32; env.spec().observation_size];
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    env.reset(1, &mut observation).unwrap();
    let first = bits(&observation);
    let actions = env.spec().actions.clone();
    let mut total = 0.0;
    for step in 0..20_usize {
        let result = match &actions {
            ActionSpace::Discrete(n) => {
                env.step(Action::Discrete(step * 7 / 3 % n), &mut observation)
            }
            ActionSpace::Continuous { low, .. } => {
                // Sevenths of the range (10 where there is none), once beyond it on each side.
                let part = (step * 5 % 8) as f32 / 3.5 - 1.0;
                let action: Vec<f32> =
                    low.iter().map(|low| part * low.max(-10.0) * 1.125).collect();
                env.step(Action::Continuous(&action), &mut observation)
            }
            ActionSpace::MultiDiscrete(n) => panic!("no built-in environment chooses {n:?}"),
        };
        total += result.unwrap().reward;
    }
    (first, bits(&observation), f64::to_bits(total))
}

#[test]
fn observations_have_the_pinned_bits() {
    let built_in = ids().into_iter().filter(|(_, provider)| *provider == Provider::BuiltIn);
    let actual: Vec<_> = built_in.map(|(id, _)| (id.clone(), run(&id))).collect();
    let mut report = String::new();
    for (id, (first, last, total)) in &actual {
        report += &format!("    (\"{id}\", &{first:#010x?}, &{last:#010x?}, {total:#018x}),\n");
    }
    let expected: Vec<_> = EXPECTED
        .iter()
        .map(|&(id, first, last, total)| (id.to_owned(), (first.to_vec(), last.to_vec(), total)))
        .collect();
    assert!(actual == expected, "the bits now are\n{report}");
}

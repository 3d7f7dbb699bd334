//! Policies.

use es_envs::{ActionSpace, Image, Spec};

use super::sealed;
use crate::arithmetic::{Format, Formats};
use crate::export::Export;
use crate::network::{Architecture, Convolutions};
use crate::policy::{Policy, Statistics};
use crate::record::PolicyFile;

/// A policy, which then acts once and is exported.
pub(super) fn policy(bytes: &[u8]) {
    for bytes in sealed(bytes) {
        let Ok(file) = PolicyFile::from_bytes(&bytes) else { continue };
        let written = file.to_bytes().expect("it can be written");
        let again = PolicyFile::from_bytes(&written).and_then(|again| again.to_bytes());
        assert_eq!(again.ok(), Some(written), "it reads back to itself");
        let Architecture { inputs, outputs, .. } = file.architecture;
        if inputs > 1 << 16 {
            // Images of any size are no fault of the file; whoever shows them has them.
            continue;
        }
        let continuous = ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
        for space in [ActionSpace::Discrete(outputs), continuous] {
            let spec = Spec::new("Some-v0", inputs, space);
            let Ok(plan) = file.plan(&spec, None) else { continue };
            let mut policy = Policy::new(plan.architecture.network(), plan.rule, inputs);
            file.load_into(&mut policy);
            let _ = policy.act(&vec![0.5; inputs], None);
            if let Ok(export) = Export::new(&file, &spec) {
                let _ = (export.to_safetensors(), export.to_onnx());
            }
        }
    }
}

pub(super) fn policies() -> Vec<Vec<u8>> {
    let small = Architecture::perceptron(3, vec![2], 1);
    let formats = Formats::uniform("lns12.6".parse().unwrap_or(Format::F32));
    let linear = Architecture { bias: false, formats, ..Architecture::perceptron(2, vec![], 2) };
    let image = Image { height: 5, width: 4, channels: 2 };
    let layers = "3@2x2/2".parse().map(|layer| vec![layer]).unwrap_or_default();
    let seeing = Architecture {
        convolutions: Convolutions::new(image, layers).ok(),
        virtual_batch_norm: true,
        ..Architecture::perceptron(40, vec![6], 3)
    };
    let file = |architecture: &Architecture| PolicyFile {
        env: "Some-v0".into(),
        split: None,
        fresh: false,
        action_repeat: 1,
        options: "limits = [0.5, inf]".parse().unwrap_or_default(),
        theta: vec![0.25; architecture.layout().parameters()],
        architecture: architecture.clone(),
        action_bins: (architecture.outputs == 1).then_some(2),
        statistics: match architecture.inputs {
            3 => Statistics::new(3),
            _ => Statistics::default(),
        },
        reference: architecture.virtual_batch_norm.then(|| [0.5; 80].into()),
        generation: 3,
        evaluation_mean: -200.5,
    };
    let bytes = |architecture| file(architecture).to_bytes().expect("it can be written");
    [small, linear, seeing].iter().map(bytes).collect()
}

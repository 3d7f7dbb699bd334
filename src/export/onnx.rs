//! A policy as an ONNX graph: `observation` (N, O) in; `outputs` (N, outputs), what the network gives,
//! and `action` out, which is (N) of whole numbers for one discrete action, (N, A) of them for several,
//! and (N, A) of `f32` for a continuous one.
//!
//! Operators are those of opset 17, numbers of fields those of `onnx.proto`
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>). Sums run in whatever order the runtime
//! likes, so that the last bits of `outputs` are not ours.

use super::protobuf::Message;
use super::{Export, ExportError, Layer};
use crate::arithmetic::Activation;
use crate::policy::{ActionRule, Filter};

const OPSET: i64 = 17;
/// Version of the file format that came with that opset.
const IR_VERSION: i64 = 8;

/// Types of tensors' elements.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

impl Export {
    /// The policy as an ONNX file. The same policy is the same bytes.
    ///
    /// # Errors
    /// If it computes in another format than `f32`.
    pub fn to_onnx(&self) -> Result<Vec<u8>, ExportError> {
        if !self.is_single() {
            return Err(ExportError::NotSingle(self.formats.to_string()));
        }
        let mut graph = Graph::default();
        let filtered = self.filter_into(&mut graph);
        self.layers_into(&mut graph, filtered);
        let action = rule_into(&mut graph, &self.rule);
        let outputs = self.rule.outputs();
        let graph = Message::default()
            .messages(1, &graph.nodes)
            .text(2, "policy")
            .messages(5, &graph.constants)
            .message(11, &value("observation", FLOAT, &[self.inputs]))
            .message(12, &value("action", action.0, &action.1))
            .message(12, &value("outputs", FLOAT, &[outputs]));
        let version = Message::default().number(2, OPSET);
        let about = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        Ok(Message::default()
            .number(1, IR_VERSION)
            .text(2, "es-train")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &version)
            .message(14, &about("environment", &self.env))
            .message(14, &about("action_repeat", &self.action_repeat.to_string()))
            .message(14, &about("generation", &self.generation.to_string()))
            .into_bytes())
    }

    /// The observation filter; returns the name of what it gives.
    fn filter_into(&self, graph: &mut Graph) -> &'static str {
        if self.filter.mean.is_empty() {
            return "observation";
        }
        graph.floats("filter_mean", &[self.inputs], &self.filter.mean);
        graph.floats("filter_scale", &[self.inputs], &self.filter.scale);
        graph.floats("filter_low", &[], &[-Filter::CLIP]);
        graph.floats("filter_high", &[], &[Filter::CLIP]);
        graph.node("Sub", &["observation", "filter_mean"], "centred", &[]);
        graph.node("Mul", &["centred", "filter_scale"], "scaled", &[]);
        graph.node("Clip", &["scaled", "filter_low", "filter_high"], "filtered", &[]);
        "filtered"
    }

    /// All layers, from `x` to `outputs`.
    fn layers_into(&self, graph: &mut Graph, x: &str) {
        let mut x = x.to_owned();
        if let Some(image) = self.image {
            let shape = [-1, image.height as i64, image.width as i64, image.channels as i64];
            graph.integers("image_shape", &shape);
            graph.node("Reshape", &[&x, "image_shape"], "image", &[]);
            graph.node("Transpose", &["image"], "planes", &[list("perm", &[0, 3, 1, 2])]);
            x = "planes".to_owned();
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let next = self.layers.get(index + 1);
            let sums = match layer.activation {
                Some(_) => format!("sums{index}"),
                None => "outputs".to_owned(),
            };
            layer_into(graph, index, layer, &x, &sums);
            x = sums;
            if let Some(activation) = layer.activation {
                let operator = match activation {
                    Activation::Tanh => "Tanh",
                    Activation::Relu => "Relu",
                };
                let active = format!("active{index}");
                graph.node(operator, &[&x], &active, &[]);
                x = active;
            }
            // Behind the last convolution, an image becomes a row again: pixels, channels innermost.
            if layer.stride.is_some() && next.is_none_or(|next| next.stride.is_none()) {
                graph.node("Transpose", &[&x], "pixels", &[list("perm", &[0, 2, 3, 1])]);
                graph.node("Flatten", &["pixels"], "row", &[whole("axis", 1)]);
                x = "row".to_owned();
            }
        }
    }
}

/// The sums of one layer.
fn layer_into(graph: &mut Graph, index: usize, layer: &Layer, x: &str, sums: &str) {
    let (weight, bias) = (format!("w{index}"), format!("b{index}"));
    let mut inputs = vec![x, &weight];
    if let Some(values) = &layer.bias {
        graph.floats(&bias, &[values.len()], values);
        inputs.push(&bias);
    }
    match (layer.stride, layer.shape.as_slice()) {
        (Some(stride), &[rows, columns, channels, filters]) => {
            let weights = filters_first(&layer.weights, [rows, columns, channels, filters]);
            graph.floats(&weight, &[filters, channels, rows, columns], &weights);
            let attributes =
                [list("kernel_shape", &[rows, columns]), list("strides", &[stride, stride])];
            graph.node("Conv", &inputs, sums, &attributes);
        }
        (_, shape) => {
            graph.floats(&weight, shape, &layer.weights);
            graph.node("Gemm", &inputs, sums, &[]);
        }
    }
}

/// Weights (rows, columns, channels, filters) as (filters, channels, rows, columns).
fn filters_first(weights: &[f32], [rows, columns, channels, filters]: [usize; 4]) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weights.len());
    for filter in 0..filters {
        for channel in 0..channels {
            for place in 0..rows * columns {
                turned.push(weights[(place * channels + channel) * filters + filter]);
            }
        }
    }
    turned
}

/// The action rule, from `outputs` to `action`; returns the type of the action's elements and its
/// shape after N.
fn rule_into(graph: &mut Graph, rule: &ActionRule) -> (i64, Vec<usize>) {
    match rule {
        ActionRule::Largest(_) => {
            let attributes = [whole("axis", 1), whole("keepdims", 0)];
            graph.node("ArgMax", &["outputs"], "action", &attributes);
            (INT64, Vec::new())
        }
        ActionRule::LargestOfEach { n, .. } => {
            let scores: Vec<String> = (0..n.len()).map(|k| format!("scores{k}")).collect();
            let choices: Vec<String> = (0..n.len()).map(|k| format!("choice{k}")).collect();
            let scores: Vec<&str> = scores.iter().map(String::as_str).collect();
            let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
            graph.integers("sizes", &n.iter().map(|&n| n as i64).collect::<Vec<_>>());
            graph.node_to("Split", &["outputs", "sizes"], &scores, &[whole("axis", 1)]);
            for (scores, choice) in scores.iter().zip(&choices) {
                graph.node("ArgMax", &[scores], choice, &[whole("axis", 1)]);
            }
            graph.node("Concat", &choices, "action", &[whole("axis", 1)]);
            (INT64, vec![n.len()])
        }
        ActionRule::Clipped { low, high, .. } => {
            // Clip knows one bound for all components, these have their own.
            graph.floats("action_low", &[low.len()], low);
            graph.floats("action_high", &[high.len()], high);
            graph.node("Max", &["outputs", "action_low"], "above_low", &[]);
            graph.node("Min", &["above_low", "action_high"], "action", &[]);
            (FLOAT, vec![low.len()])
        }
        ActionRule::Binned { low, high, bins, .. } => {
            let range: Vec<f32> = low.iter().zip(high).map(|(low, high)| high - low).collect();
            graph.integers("bins_shape", &[-1, low.len() as i64, *bins as i64]);
            graph.floats("last_bin", &[], &[(bins - 1) as f32]);
            graph.floats("action_range", &[low.len()], &range);
            graph.floats("action_low", &[low.len()], low);
            graph.node("Reshape", &["outputs", "bins_shape"], "scores", &[]);
            let attributes = [whole("axis", 2), whole("keepdims", 0)];
            graph.node("ArgMax", &["scores"], "bin", &attributes);
            graph.node("Cast", &["bin"], "bin_number", &[whole("to", FLOAT)]);
            graph.node("Div", &["bin_number", "last_bin"], "share", &[]);
            graph.node("Mul", &["share", "action_range"], "above", &[]);
            graph.node("Add", &["above", "action_low"], "action", &[]);
            (FLOAT, vec![low.len()])
        }
    }
}

/// Nodes and constants, in the order in which they were added.
#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
}

impl Graph {
    /// Adds a node with one output, which names it.
    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Message]) {
        self.node_to(operator, inputs, &[output], attributes);
    }

    fn node_to(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Message],
    ) {
        let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        let node = outputs.iter().fold(node, |node, output| node.text(2, output));
        let name = outputs.first().unwrap_or(&operator);
        self.nodes.push(node.text(3, name).text(4, operator).messages(5, attributes));
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, shape, FLOAT, &bytes);
    }

    fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], INT64, &bytes);
    }

    fn constant(&mut self, name: &str, shape: &[usize], kind: i64, bytes: &[u8]) {
        let tensor = Message::default().numbers(1, shape).number(2, kind).text(8, name);
        self.constants.push(tensor.bytes(9, bytes));
    }
}

/// An attribute that is a whole number.
fn whole(name: &str, value: i64) -> Message {
    Message::default().text(1, name).number(3, value).number(20, 2)
}

/// An attribute that is a list of them.
fn list(name: &str, values: &[usize]) -> Message {
    Message::default().text(1, name).numbers(8, values).number(20, 7)
}

/// An input or an output: its type, and its shape after any number N of rows.
fn value(name: &str, kind: i64, shape: &[usize]) -> Message {
    let any = Message::default().text(2, "N");
    let fixed = |&size: &usize| Message::default().number(1, size as i64);
    let sizes: Vec<Message> = std::iter::once(any).chain(shape.iter().map(fixed)).collect();
    let shape = Message::default().messages(1, &sizes);
    let tensor = Message::default().number(1, kind).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use es_envs::{ActionSpace, Image};

    use super::super::protobuf::tests::{Field, all, read};
    use super::super::tests::{export, policy};
    use crate::arithmetic::Formats;
    use crate::network::{Architecture, Convolutions};
    use crate::policy::Statistics;

    /// The graph of a model.
    fn graph(model: &[u8]) -> &[u8] {
        all(model, 7)[0]
    }

    fn texts(message: &[u8], field: u32) -> Vec<&str> {
        all(message, field).into_iter().map(|text| std::str::from_utf8(text).unwrap()).collect()
    }

    /// Operators of the graph, with the names of what goes in and what comes out.
    fn nodes(model: &[u8]) -> Vec<String> {
        let node = |node: &&[u8]| {
            let (inputs, outputs) = (texts(node, 1).join(" "), texts(node, 2).join(" "));
            format!("{}({inputs}) {outputs}", texts(node, 4)[0])
        };
        all(graph(model), 1).iter().map(node).collect()
    }

    /// The bytes of a constant, and its shape.
    fn constant<'a>(model: &'a [u8], name: &str) -> (Vec<u64>, &'a [u8]) {
        let constants = all(graph(model), 5);
        let tensor = constants.iter().find(|tensor| texts(tensor, 8) == [name]).unwrap();
        let number = |(field, value)| match value {
            Field::Number(size) if field == 1 => Some(size),
            _ => None,
        };
        (read(tensor).into_iter().filter_map(number).collect(), all(tensor, 9)[0])
    }

    #[test]
    fn a_model_names_its_version_and_holds_filter_layers_and_rule_in_order() {
        let mut file = policy(Architecture::perceptron(3, vec![4], 2));
        file.statistics = Statistics::new(3);
        let model = export(&file, ActionSpace::Discrete(2)).to_onnx().unwrap();
        assert_eq!(read(&model)[0], (1, Field::Number(8)));
        assert_eq!(read(all(&model, 8)[0]), [(2, Field::Number(17))]);
        let expected = [
            "Sub(observation filter_mean) centred",
            "Mul(centred filter_scale) scaled",
            "Clip(scaled filter_low filter_high) filtered",
            "Gemm(filtered w0 b0) sums0",
            "Tanh(sums0) active0",
            "Gemm(active0 w1 b1) outputs",
            "ArgMax(outputs) action",
        ];
        assert_eq!(nodes(&model), expected);
        let (shape, bytes) = constant(&model, "w1");
        assert_eq!((shape, &bytes[..4]), (vec![4, 2], &file.theta[16].to_le_bytes()[..]));
        assert_eq!(constant(&model, "filter_low"), (vec![], &(-5.0_f32).to_le_bytes()[..]));
        let names =
            |field| all(graph(&model), field).iter().map(|v| texts(v, 1)[0]).collect::<Vec<_>>();
        assert_eq!((names(11), names(12)), (vec!["observation"], vec!["action", "outputs"]));
    }

    #[test]
    fn every_rule_ends_in_an_action() {
        let (low, high) = (vec![-1.0, -2.0], vec![1.0, 2.0]);
        let continuous = ActionSpace::Continuous { low, high };
        for (outputs, bins, actions, last) in [
            (2, None, continuous.clone(), "Min(above_low action_high) action"),
            (6, Some(3), continuous, "Add(above action_low) action"),
            (5, None, ActionSpace::MultiDiscrete(vec![2, 3]), "Concat(choice0 choice1) action"),
        ] {
            let file = policy(Architecture::perceptron(3, vec![], outputs));
            let file = crate::record::PolicyFile { action_bins: bins, ..file };
            let model = export(&file, actions).to_onnx().unwrap();
            assert_eq!(nodes(&model).last().unwrap(), last);
        }
    }

    #[test]
    fn filters_lie_as_onnx_wants_them() {
        let image = Image { height: 3, width: 3, channels: 2 };
        let layers = vec!["2@2x2/1".parse().unwrap()];
        let architecture = Architecture {
            convolutions: Some(Convolutions::new(image, layers).unwrap()),
            ..Architecture::perceptron(18, vec![], 2)
        };
        let file = policy(architecture);
        let model = export(&file, ActionSpace::Discrete(2)).to_onnx().unwrap();
        let expected = [
            "Reshape(observation image_shape) image",
            "Transpose(image) planes",
            "Conv(planes w0 b0) sums0",
            "Tanh(sums0) active0",
            "Transpose(active0) pixels",
            "Flatten(pixels) row",
            "Gemm(row w1 b1) outputs",
            "ArgMax(outputs) action",
        ];
        assert_eq!(nodes(&model), expected);
        let (shape, bytes) = constant(&model, "w0");
        assert_eq!(shape, [2, 2, 2, 2]);
        // Filter 0, channel 0, row 0, column 1: pixel 1, channel 0 in the order of the policy.
        assert_eq!(bytes[4..8], file.theta[4].to_le_bytes());
        // Filter 1, channel 1, first pixel.
        assert_eq!(bytes[4 * 12..][..4], file.theta[3].to_le_bytes());
    }

    #[test]
    fn a_policy_in_a_narrow_format_is_refused_with_what_carries_its_codes() {
        for format in ["bf16", "int8", "fixed16.10", "lns12.6"] {
            let formats = Formats::uniform(format.parse().unwrap());
            let file = policy(Architecture { formats, ..Architecture::perceptron(3, vec![], 2) });
            let error = export(&file, ActionSpace::Discrete(2)).to_onnx().unwrap_err().to_string();
            assert!(error.contains(format) && error.contains("safetensors"), "{error}");
        }
    }
}

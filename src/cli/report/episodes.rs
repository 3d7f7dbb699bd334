//! What the best policy of each experiment does: an episode in pictures, or which classes it takes
//! for which.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use es_envs::Setting;

use super::Part;
use super::html::escape;
use crate::cli::compare::runs::Run;
use crate::cli::render::{Shown, show};
use crate::cli::{Failure, ToolArguments};
use crate::dataset::{self, DataSet};
use crate::record::{PolicyFile, RunDirectory, figure};
use crate::task::Task;
use crate::train::confusion;

/// A film with more bytes is left out, so that the page can still be sent to somebody.
const MOST_BYTES: usize = 3 << 20;

/// A part for each experiment; what could not be had is said in words.
pub(super) fn episodes(parts: &[Part], tools: &ToolArguments) -> String {
    let mut text = String::from("<div class=\"figures\">\n");
    for part in parts {
        let name = escape(&part.name(parts));
        let shown = best(part).and_then(|(run, policy)| {
            let of = format!("{}, seed {}", run.path.display(), run.experiment.seed);
            let shown = match policy.split {
                Some(_) => classes(&policy, tools),
                None => episode(&policy, &name, tools),
            };
            Ok((of, policy.generation, shown?))
        });
        text += &format!("<div><h3>{name}</h3>\n");
        text += &match shown {
            Ok((of, generation, shown)) => {
                let of = escape(&of);
                format!(
                    "<p class=\"soft\">The best policy, of row {generation} of {of}.</p>\n{shown}"
                )
            }
            Err(failure) => format!("<p>Not shown: {}</p>\n", escape(&failure.message)),
        };
        text += "</div>\n";
    }
    text + "</div>\n"
}

/// The run with the best scheduled evaluation, and its policy.
fn best(part: &Part) -> Result<(&Run, PolicyFile), Failure> {
    let score = |run: &Run| {
        let result = run.best().or(run.last()).unwrap_or(f64::NEG_INFINITY);
        if run.has_errors() { -result } else { result }
    };
    let runs = part.group.runs.iter().filter(|run| run.best().or(run.last()).is_some());
    // Of equals the first.
    let best = runs.reduce(|best, run| if score(run) > score(best) { run } else { best });
    let run = best.ok_or_else(|| Failure::failed("no run has been evaluated yet"))?;
    Ok((run, RunDirectory::policy(&run.path)?))
}

/// An episode: eight of its moments, and the whole of it behind a click.
fn episode(policy: &PolicyFile, name: &str, tools: &ToolArguments) -> Result<String, Failure> {
    let setting =
        Setting { options: policy.options.clone(), tools: tools.tools(), pictures: false };
    let task = Task::registered(&policy.env, setting.clone())
        .map_err(|error| Failure::failed(error.to_string()))?;
    let plan =
        policy.plan(task.spec(), None).map_err(|error| Failure::failed(error.to_string()))?;
    let files = [Path::new("episode.png"), Path::new("episode.gif")];
    let Shown { films, total_reward, steps } = show(policy, &plan, setting, 0, &files)?;
    let mut films = films.into_iter().map(|film| film.into_bytes());
    let mut next = || films.next().transpose().map(Option::unwrap_or_default);
    let (strip, film) = (next()?, next()?);
    let env = escape(&policy.env);
    let caption = format!("One episode: return {}, {steps} steps.", figure(total_reward));
    let picture = format!(
        "<figure><img alt=\"Moments of an episode of {env} as played by {name}, from start to end\" \
         src=\"data:image/png;base64,{}\"><figcaption>{caption}</figcaption></figure>\n",
        STANDARD.encode(strip)
    );
    if film.len() > MOST_BYTES {
        let megabytes = film.len() as f64 / 1e6;
        return Ok(format!(
            "{picture}<p>Its film has {megabytes:.1} MB and is left out: <code>es-train evaluate \
             --render</code> makes it.</p>\n"
        ));
    }
    // Behind a click: not everybody wants things to move.
    Ok(format!(
        "{picture}<details><summary>The whole episode, moving ({:.0} kB)</summary><figure><img \
         alt=\"Film of that episode of {env}\" loading=\"lazy\" \
         src=\"data:image/gif;base64,{}\"></figure></details>\n",
        film.len() as f64 / 1e3,
        STANDARD.encode(&film)
    ))
}

/// Which classes of a data set the policy takes for which.
fn classes(policy: &PolicyFile, tools: &ToolArguments) -> Result<String, Failure> {
    let split = policy.split.unwrap_or_default();
    let data = dataset::load(&policy.env, split, tools.data.as_deref())
        .map_err(|error| Failure::failed(error.to_string()))?;
    let DataSet { classes, test, .. } = &*data;
    let task = Task::of_data(data.clone());
    let plan =
        policy.plan(task.spec(), None).map_err(|error| Failure::failed(error.to_string()))?;
    let counts = confusion(&plan.architecture, &policy.theta, test, *classes);
    let wrong: u64 =
        test.len() as u64 - (0..*classes).map(|c| counts[c * classes + c]).sum::<u64>();
    let mut text = format!(
        "<p>{wrong} of {} test samples are taken for another class.</p>\n<div class=\"wide\" \
         tabindex=\"0\"><table class=\"confusion\"><caption class=\"soft\">true class by rows, the \
         policy's answer by columns</caption>\n<tr><td></td>",
        test.len()
    );
    (0..*classes).for_each(|class| text += &format!("<th scope=\"col\">{class}</th>"));
    text += "</tr>\n";
    for (class, row) in counts.chunks(*classes).enumerate() {
        text += &format!("<tr><th scope=\"row\">{class}</th>");
        // The few of its mistakes that come most often.
        let often = row.iter().sum::<u64>() / 100;
        for (answer, &count) in row.iter().enumerate() {
            let look = match answer == class {
                true => " class=\"right\"",
                false if count > often.max(1) => " class=\"wrong\"",
                false => "",
            };
            text += &format!("<td{look}>{count}</td>");
        }
        text += "</tr>\n";
    }
    Ok(text + "</table></div>\n")
}

//! `es-train report`: one page about runs.

mod harness;

use std::process::Command;

use harness::{Place, small, trained};

/// Trains the small experiment into a directory with a name that no page should take at its word.
const ODD: &str = "<b onload=x>&\"'";

fn page(place: &Place, arguments: &[&str]) -> String {
    let report = [&["report"], arguments, &["-o", "page.html"]].concat();
    place.es_train(&report).exits_with(0).prints(&["page.html: "]);
    std::fs::read_to_string(place.path("page.html")).unwrap()
}

fn has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "no `{part}` in the page");
    }
}

/// Two seeds of the small experiment, and one with another sigma.
fn runs() -> Place {
    let place = small();
    for (out, seed, sigma) in [("a1", "1", "0.1"), ("a2", "2", "0.1"), ("b1", "1", "0.2")] {
        let sigma = format!("method.sigma={sigma}");
        let train = ["train", "small.toml", "--seed", seed, "--set", &sigma, "--out", out, "-q"];
        place.es_train(&train).exits_with(0);
    }
    place
}

#[test]
fn a_page_has_curves_table_settings_episode_and_machine_and_loads_nothing() {
    let place = runs();
    let page = page(&place, &["a1", "a2", "b1", "--threshold", "20"]);
    has(
        &page,
        &[
            "<title>es-train: CartPole-v1</title>",
            "lang=\"en\"",
            "name=\"viewport\"",
            "prefers-color-scheme: dark",
            "openai-es sigma=0.1 (2 seeds)",
            "<svg role=\"img\" aria-label=\"mean return of evaluations over environment steps",
            "threshold 20",
            "<tr class=\"marked\"><th scope=\"row\"><code>method.sigma</code></th>\
             <td data-title=\"openai-es sigma=0.1\">0.1</td><td data-title=\"openai-es sigma=0.2\">0.2</td>",
            "<code>method.population</code></th><td data-title=\"value\">8</td>",
            "src=\"data:image/png;base64,",
            "src=\"data:image/gif;base64,",
            "alt=\"Moments of an episode of CartPole-v1",
            "4-[8]-2 tanh in f32",
            "None of the runs has a warning",
        ],
    );
    for run in ["a1", "a2", "b1"] {
        let summary = place.run(run).summary();
        has(
            &page,
            &[summary["theta_hash"].as_str().unwrap(), summary["hosts"][0].as_str().unwrap()],
        );
    }
    // Four pictures, each with two lines.
    assert_eq!(page.matches("<svg role=\"img\"").count(), 4);
    for outside in ["http:", "https:", "<script", "src=\"/", "url("] {
        let without_names = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!without_names.contains(outside), "`{outside}` in the page");
    }
    let again = self::page(&place, &["a1", "a2", "b1", "--threshold", "20"]);
    assert!(page == again, "the same runs make another page");
}

#[test]
fn what_comes_from_users_is_escaped() {
    let place = small();
    place.es_train(&["train", "small.toml", "--out", ODD, "-q"]).exits_with(0);
    let log = "warning: <script>alert(1)</script>\n  in a traceback & more\n";
    std::fs::write(place.path(ODD).join("run.log"), log).unwrap();
    let page = page(&place, &[ODD, "--no-episodes"]);
    has(
        &page,
        &[
            "&lt;b onload=x&gt;&amp;&quot;&#39;",
            "<li>&lt;script&gt;alert(1)&lt;/script&gt;<pre>  in a traceback &amp; more</pre>",
        ],
    );
    assert!(!page.contains("<b onload") && !page.contains("<script"), "{page}");
}

#[test]
fn what_is_missing_is_said_in_words() {
    let place = trained();
    // As a kill before the first evaluation leaves it.
    for name in ["summary.json", "policy.safetensors"] {
        std::fs::remove_file(place.path("run").join(name)).unwrap();
    }
    let page = page(&place, &["run"]);
    has(&page, &["run: unfinished", "unfinished, 3 rows so far", "unknown: unfinished"]);
    has(&page, &["Not shown: ", "has the run been evaluated yet?", "no policy yet"]);
    let train = ["train", "--env", "Sphere-v0", "--set", "stop.generations=2", "--out", "s", "-q"];
    place.es_train(&train).exits_with(0);
    let page = self::page(&place, &["s"]);
    has(&page, &["Not shown: ", "cannot be drawn"]);
    has(&self::page(&place, &["s", "--no-episodes"]), &["Left out, as <code>--no-episodes</code>"]);
    place.es_train(&["report", "nothing"]).exits_with(2).says(&["nothing: no such directory"]);
    place.es_train(&["report", "."]).exits_with(2).says(&["`es-train report ./*/`"]);
    place.es_train(&["report", "s", "-o", "s"]).exits_with(2).says(&["this is a directory"]);
    let nowhere = place.es_train(&["report", "s", "-o", "no/x.html"]);
    nowhere.exits_with(2).says(&["there is no directory no"]);
}

#[test]
fn a_data_set_has_errors_and_shows_what_is_taken_for_what() {
    let data = "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n[method]\n\
        name = \"synchronous\"\nbatch_size = 50\n[evaluation]\nevery_samples = 2000\n\
        [stop]\nsamples = 6000\n";
    let place = Place::new().with_file("data.toml", data);
    place.es_train(&["train", "data.toml", "--out", "data", "-q"]).exits_with(0);
    let page = page(&place, &["data"]);
    assert!(!page.contains("generations"), "a gradient method has none");
    has(&page, &["error in % over samples", "loss on training samples", "class=\"confusion\""]);
    // The table's mistakes are those of an evaluation of the same policy.
    let judged = place.es_train(&["evaluate", "data"]).exits_with(0).stdout;
    let before = page.split_once(" test samples are taken for another class").unwrap().0;
    let (wrong, samples) = before.rsplit_once("<p>").unwrap().1.split_once(" of ").unwrap();
    let (wrong, samples): (f64, f64) = (wrong.parse().unwrap(), samples.parse().unwrap());
    let error = format!("test error {:.2} % of {samples}", 100.0 * wrong / samples);
    assert!(judged.contains(&error), "{error} is not in {judged}");
}

#[test]
fn tasks_are_named_once_and_what_only_some_have_is_folded() {
    let place = runs();
    let train =
        ["train", "--dataset", "synthetic", "--set", "stop.epochs=1", "--out", "data", "-q"];
    place.es_train(&train).exits_with(0);
    let page = page(&place, &["a1", "data", "b1", "--no-episodes"]);
    has(&page, &["<title>es-train: CartPole-v1, synthetic</title>", "what only some have: "]);
    let differs = page.split_once("what differs").unwrap().1.split_once("</table>").unwrap().0;
    for key in ["method.name", "method.sigma", "policy.hidden"] {
        assert!(differs.contains(&format!("<code>{key}</code>")), "{key} differs");
    }
    for key in ["method.population", "method.batch_size", "task.env"] {
        assert!(!differs.contains(&format!("<code>{key}</code>")), "only some have {key}");
        assert!(page.contains(&format!("<code>{key}</code>")), "{key} is on the page");
    }
}

#[test]
fn a_browser_shows_the_page_and_complains_of_nothing() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let works = |name: &&&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let Some(browser) = names.iter().find(works) else {
        eprintln!("skipped: there is no chromium on this machine");
        return;
    };
    let place = runs();
    page(&place, &["a1", "a2", "b1"]);
    let profile = format!("--user-data-dir={}", place.path("profile").display());
    let url = format!("file://{}", place.path("page.html").display());
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // A request to anywhere would fail, and the console would say so.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"])
        .args([&profile, "--dump-dom", &url])
        .output()
        .unwrap();
    let (dom, log) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    assert_eq!(dom.matches("<svg role=\"img\"").count(), 4, "{log}");
    assert!(dom.contains("class=\"marked\"") && dom.trim_end().ends_with("</html>"));
    assert!(!log.contains("CONSOLE"), "{log}");
}

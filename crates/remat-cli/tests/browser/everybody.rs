//! Pages for everybody: those who see badly, those who use the keyboard, a phone, the dark, another zone, no script.

use remat_testkit::Browser;

use crate::{
    site::{Site, furnished},
    support::World,
};

const PAGES: [&str; 14] = [
    "/",
    "/views",
    "/views/public/daily",
    "/views/public/broken",
    "/views/public/absent",
    "/views/public/daily/edit",
    "/views/new",
    "/graph",
    "/runs",
    "/runs/2",
    "/schedule",
    "/alerts",
    "/audit",
    "/system",
];

/// What axe finds that keeps somebody from using the page.
fn serious(browser: &Browser) -> Vec<String> {
    let axe = std::fs::read_to_string(Browser::axe_path())
        .expect("axe-core is there; run `cargo xtask servers start`");
    browser.eval(&axe);
    let found = browser.eval_later(
        "axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations
           .filter((one) => one.impact === 'serious' || one.impact === 'critical')
           .map((one) => one.id + ': ' + one.help + '\\n' + one.nodes.slice(0, 3).map((node) => '  ' + node.html + ' ' + node.failureSummary).join('\\n'))));",
    );
    let lines = found.as_array().expect("axe answers with a list").iter();
    lines.map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn everybody_can_use_every_page_in_the_light_and_in_the_dark() {
    let site = Site::start().await;
    let mut found = Vec::new();
    for (how, scheme, width) in
        [("by day", "light", 1280), ("by night", "dark", 1280), ("on a phone", "light", 360)]
    {
        site.browser.prefer(scheme);
        site.browser.resize(width, 740);
        for path in PAGES {
            site.go(path);
            found.extend(serious(&site.browser).into_iter().map(|what| format!("{path} {how}: {what}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What reaches beyond the window and is not within something that scrolls by itself.
const BEYOND: &str = "return [...document.querySelectorAll('main *')]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll, .graph, .inpage'))
    .map((one) => one.outerHTML.slice(0, 160)).slice(0, 5).join('\\n')";

#[tokio::test]
async fn no_page_is_wider_than_the_smallest_phone() {
    let site = Site::start().await;
    let mut found = Vec::new();
    for width in [320, 768, 1920] {
        site.browser.resize(width, 740);
        for path in PAGES {
            site.go(path);
            let wide = site.browser.eval("return document.documentElement.scrollWidth").as_u64().unwrap();
            if wide > u64::from(width) {
                found.push(format!("{path} is {wide} wide on {width}: {}", site.browser.eval(BEYOND)));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn pages_ask_nothing_of_other_hosts_and_complain_of_nothing() {
    let site = Site::start().await;
    let own = site.url("");
    for path in PAGES {
        site.go(path);
        let loaded =
            site.browser.eval("return performance.getEntriesByType('resource').map((one) => one.name)");
        for name in loaded.as_array().unwrap() {
            assert!(name.as_str().unwrap().starts_with(&own), "{path} asks for {name}");
        }
        let complaints = site.browser.complaints();
        assert!(complaints.is_empty(), "{path}: {complaints:?}");
    }
}

#[tokio::test]
async fn the_keyboard_reaches_the_contents_the_search_and_closes_what_it_opened() {
    let site = Site::start().await;
    let focused = || {
        site.browser.eval("const at = document.activeElement; return at.id || at.className || at.nodeName")
    };
    site.go("/views");
    site.browser.press("\u{E004}");
    assert_eq!(focused(), "skip");
    site.browser.press("\u{E006}");
    site.browser.wait_for("the contents have the focus", || focused() == "main");
    site.browser.press("/");
    site.browser.wait_for("the search has the focus", || focused() == "q");
    site.browser.press("weekly\u{E006}");
    site.browser.wait_for("the list is searched", || site.browser.url().contains("q=weekly"));
    site.go("/views/public/daily");
    site.browser.eval("document.querySelector('details.act summary').focus()");
    site.browser.press("\u{E006}");
    let is_open = || site.browser.eval("return !!document.querySelector('details.act[open]')") == true;
    site.browser.wait_for("the form is open", is_open);
    site.browser.press("\u{E00C}");
    site.browser.wait_for("the form is closed", || !is_open());
    // Whatever has the focus shows that it has.
    let outline = "const link = document.querySelector('.nav a'); link.focus({ focusVisible: true }); return getComputedStyle(link).outlineStyle";
    assert_eq!(site.browser.eval(outline), "solid");
}

#[tokio::test]
async fn pages_and_forms_work_without_their_script() {
    let site = Site::start().await;
    site.browser.let_scripts_run(false);
    site.go("/views/public/daily");
    site.browser.click(&site.browser.find_text("Refresh now"));
    site.browser.wait_for("the run is shown", || site.path().starts_with("/runs/"));
    site.go("/views?state=paused");
    site.browser.find("a[href='/views/public/resting']");
    site.go("/views/public/resting");
    site.browser.click(&site.browser.find_text("Resume"));
    site.browser.find("[role=status]");
}

#[tokio::test]
async fn a_zone_and_colours_are_chosen_and_stay() {
    let site = Site::start().await;
    site.go("/schedule");
    site.browser.eval("const zone = document.getElementById('zone'); zone.value = 'Asia/Tokyo'; zone.dispatchEvent(new Event('change', { bubbles: true }))");
    site.browser.wait_for("times are those of Tokyo", || site.browser.text().contains("Asia/Tokyo"));
    site.go("/runs/1");
    assert!(site.browser.text().contains("JST"), "{}", site.browser.text());
    site.browser.eval("const theme = document.getElementById('theme'); theme.value = 'dark'; theme.dispatchEvent(new Event('change', { bubbles: true }))");
    site.browser.wait_for("it is dark", || {
        site.browser.eval("return document.documentElement.dataset.theme || ''") == "dark"
    });
    let dark = "return getComputedStyle(document.documentElement).backgroundColor";
    assert_eq!(site.browser.eval(dark), "rgb(14, 17, 22)");
}

#[tokio::test]
async fn a_person_logs_in_below_a_base_and_out_again() {
    let world = furnished().await;
    let token = token(&world).await;
    let site = Site::of(world, "/remat", &["--base-path", "/remat"]).await;
    site.go("/views/public/daily");
    assert_eq!(site.path(), "/login");
    site.browser.type_into(&site.browser.find("#token"), "remat_wrong");
    site.browser.click(&site.browser.find("button"));
    site.browser.wait_for_text("does not count");
    site.browser.type_into(&site.browser.find("#token"), &token);
    site.browser.click(&site.browser.find("button"));
    site.browser.wait_for_text("Log out");
    site.browser.click(&site.browser.find_text("Graph"));
    site.browser.wait_for("the graph is shown", || site.path() == "/graph");
    site.browser.click(&site.browser.find_text("Log out"));
    site.browser.wait_for("the login is shown", || site.path() == "/login");
    let found = serious(&site.browser);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

async fn token(world: &World) -> String {
    use remat::access::{Act, NewToken, Role};
    let token = NewToken { name: "ada".into(), role: Role::Operator, schemas: Vec::new(), lasts: None };
    world.remat.create_token(&token, &Act::default()).await.unwrap().1.reveal().to_owned()
}

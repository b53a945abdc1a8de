//! What a person watches: a refresh on its way, without loading the page again, and without a jump.

use crate::site::Site;

#[tokio::test]
async fn a_refresh_is_watched_from_the_lock_that_holds_it_up_to_its_end() {
    let site = Site::start().await;
    let reader = site.world.db.connect().await;
    reader.batch_execute("set application_name = 'a long report'; begin; select * from gated").await.unwrap();
    site.go("/views/public/gated");
    site.browser.click(&site.browser.find_text("Refresh now"));
    site.browser.wait_for("the run is shown", || site.path().starts_with("/runs/"));
    site.browser.eval("window.same = true");
    site.browser.wait_for_text("Who holds it up");
    assert!(site.browser.text().contains("a long report"), "{}", site.browser.text());
    reader.batch_execute("commit").await.unwrap();
    site.browser.wait_for("it is a success", || {
        site.browser.eval("return document.querySelector('.title .chip').innerText.trim()") == "success"
    });
    assert_eq!(site.browser.eval("return window.same"), true, "the page was loaded again");
}

#[tokio::test]
async fn a_run_at_work_is_cancelled() {
    let site = Site::start().await;
    let gate = site.world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    site.go("/views/public/gated");
    site.browser.click(&site.browser.find_text("Refresh now"));
    site.browser.wait_for_text("Session pid");
    site.browser.click(&site.browser.find_text("Cancel this run"));
    site.browser.wait_for("it is cancelled", || {
        site.browser.eval("return document.querySelector('.title .chip').innerText.trim()") == "cancelled"
    });
    drop(gate);
}

#[tokio::test]
async fn the_overview_follows_what_happens_and_does_not_jump() {
    let site = Site::start().await;
    let gate = site.world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    site.go("/");
    let watch = "window.jumps = 0; new PerformanceObserver((list) => { for (const one of list.getEntries()) window.jumps += one.value; })
                 .observe({ type: 'layout-shift', buffered: true })";
    site.browser.eval(watch);
    site.browser.eval("document.querySelector('.nav a').focus()");
    site.world.json(&["refresh", "gated", "--enqueue"], 0);
    site.browser.wait_for("the run is at work", || {
        site.browser
            .eval("return document.getElementById('at-work').innerText")
            .as_str()
            .unwrap()
            .contains("gated")
    });
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    site.browser.wait_for_text("Nothing is at work.");
    assert_eq!(
        site.browser.eval("return document.activeElement.closest('.nav') !== null"),
        true,
        "the focus was lost"
    );
    let jumps = site.browser.eval("return window.jumps").as_f64().unwrap();
    // A list that grows by a line moves what stands below it, and nothing else.
    assert!(jumps < 0.15, "the page jumped by {jumps}");
}

//! Two histories that went apart: what was fetched is held, and merged, whatever is done to look after the frame.

use super::*;
use crate::objects::Created;

/// Two frames with a common past of three commits, and a change each; the other side's is fetched to the first.
async fn apart(store: &Store) -> (Frame, Frame) {
    let (ours, theirs) = (frame(store, "ours"), frame(store, "theirs"));
    put(&theirs, Append, 0..10).await;
    put(&theirs, Append, 10..20).await;
    put(&theirs, Upsert, [3]).await;
    publish(&ours, foreign(&theirs, &ours, 0, &[]).await)
        .await
        .unwrap();
    put(&theirs, Append, 100..110).await;
    put(&theirs, Upsert, (0..20).chain(200..400)).await;
    put(&ours, Append, 50..60).await;
    (ours, theirs)
}

async fn fetched(ours: &Frame, theirs: &Frame) -> (Tracking, Vec<String>) {
    copy_objects(theirs, ours).await;
    let kept = changes(theirs)
        .await
        .into_iter()
        .skip(3)
        .map(|record| Kept {
            record,
            gone: false,
        });
    let history = ours.frame_log().keep_bundles(kept.collect()).await.unwrap();
    let tracking = Tracking {
        frame: theirs.id().name.clone(),
        bucket: None,
        tip: tip(theirs).await,
        common: Some(changes(theirs).await[2].id.clone()),
        ahead: 1,
        behind: 2,
        history: history.clone(),
        at: ours.frame_log().now(),
        fork: None,
    };
    ours.set_tracking("origin", Some(tracking))
        .await
        .unwrap()
        .unwrap();
    let state = head(ours).await.state.clone();
    (state.tracking["origin"].clone(), history)
}

/// The number of objects of a frame.
async fn objects(frame: &Frame) -> usize {
    let log = frame.frame_log();
    let all = log.objects().list_all(&log.paths().folder()).await.unwrap();
    all.iter()
        .filter(|object| !object.location.as_ref().contains("/log/"))
        .count()
}

#[tokio::test]
async fn what_was_fetched_is_kept_while_it_is_tracked_and_swept_when_not() {
    let (store, clock) = store().await;
    let (ours, theirs) = apart(&store).await;
    let before = objects(&ours).await;
    let (at, history) = fetched(&ours, &theirs).await;
    assert_eq!(at.fork.map(|fork| fork.version), Some(3));
    assert_eq!(
        ours.set_tracking("origin", Some(at.clone())).await.unwrap(),
        None
    );
    let with = objects(&ours).await;
    assert!(with > before + 2, "{before} {with}");
    sweep_all(&ours, &clock).await;
    assert_eq!(objects(&ours).await, with);
    let kept = ours.frame_log().bundles(&history).await.unwrap();
    let kept = kept.into_iter().map(|kept| kept.record);
    assert_eq!(kept.collect::<Vec<_>>(), changes(&theirs).await[3..]);
    assert_sound(&store).await;
    // Where the histories went apart is held, and can be forgotten only with the remote.
    let third = AsOf::Version(3);
    let refused = ours
        .forget(std::slice::from_ref(&third), false)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("`origin`"), "{refused}");
    assert_eq!(tip(&ours).await, changes(&ours).await[3].id);

    ours.set_tracking("origin", None).await.unwrap();
    sweep_all(&ours, &clock).await;
    assert_eq!(objects(&ours).await, before);
    assert_sound(&store).await;
}

#[tokio::test]
async fn expiry_spares_what_a_merge_takes_for_as_long_as_the_remote_is_looked_at() {
    let (store, clock) = store().await;
    let (ours, theirs) = apart(&store).await;
    let (at, _) = fetched(&ours, &theirs).await;
    for _ in 0..5 {
        put(&ours, Replace, 0..3).await;
    }
    ours.expire(false).await.unwrap();
    sweep_all(&ours, &clock).await;
    let of = |version: i64| {
        let (as_of, ours) = (AsOf::Version(version), ours.clone());
        async move { ours.snapshot(Some(&as_of)).await.is_ok() }
    };
    assert!(!of(2).await && of(3).await && of(4).await);
    clock.wait(40 * DAY);
    ours.expire(false).await.unwrap();
    sweep_all(&ours, &clock).await;
    assert!(of(3).await && !of(4).await);
    let common = at.common.unwrap();
    let expected = keys(&theirs, Some(&common)).await.unwrap();
    assert_eq!(keys(&ours, Some(&common)).await.unwrap(), expected);
    assert_sound(&store).await;
    ours.set_tracking("origin", None).await.unwrap();
    ours.expire(false).await.unwrap();
    assert!(!of(3).await);
    sweep_all(&ours, &clock).await;
    assert_sound(&store).await;
}

async fn merged(ours: &Frame, theirs: &Frame, history: Vec<String>) -> Merged {
    let both = [changes(ours).await, changes(theirs).await];
    let [our, their] = both.map(|records| records.last().unwrap().clone());
    let mut list = list_at(theirs, &their.id).await;
    let our_added = our.commit.added.clone();
    list.extend(our_added.into_iter().map(|segment| Listed {
        segment,
        schema: our.commit.schema.clone(),
        hidden: None,
    }));
    Merged {
        time: our.commit.time.max(their.commit.time),
        ours: our.id,
        theirs: their.id,
        settled: None,
        schema: our.commit.schema,
        index: our.commit.index,
        deleted: false,
        list,
        history,
        basis: 0,
        tracked: None,
        tracks: None,
    }
}

#[tokio::test]
async fn a_merge_is_one_version_with_the_other_side_as_its_history() {
    let (store, clock) = store().await;
    let (ours, theirs) = apart(&store).await;
    let since = ours.newest().await.unwrap();
    let (tracking, history) = fetched(&ours, &theirs).await;
    let merge = Merged {
        tracked: Some(("origin".into(), tracking.clone())),
        ..merged(&ours, &theirs, history.clone()).await
    };
    let other = Merged {
        ours: merge.theirs.clone(),
        theirs: merge.ours.clone(),
        list: Vec::new(),
        history: Vec::new(),
        ..merge.clone()
    };
    let settled = Merged {
        settled: Some(merge.ours.clone()),
        ..merge.clone()
    };
    assert_eq!(merge.record().unwrap().line, other.record().unwrap().line);
    assert_ne!(merge.record().unwrap().id, settled.record().unwrap().id);

    let log = ours.frame_log();
    let published = log.publish_merge(merge.clone()).await.unwrap().unwrap();
    assert_eq!(published.commit, merge.record().unwrap().id);
    assert_eq!(tip(&ours).await, published.commit);
    let mut expected = keys(&theirs, None).await.unwrap();
    expected.extend(50..60);
    expected.sort_unstable();
    assert_eq!(keys(&ours, None).await.unwrap(), expected);
    assert_eq!(log.publish_merge(merge.clone()).await.unwrap(), None);
    let commit = since.commit().unwrap();
    let newest = ours.newest().await.unwrap();
    let changed = newest
        .changed_since(since.version().unwrap(), &commit)
        .await;
    assert!(matches!(changed.unwrap(), Changed::Ranges(ranges) if !ranges.is_empty()));

    // The other side only has to go forward, whatever it did to look after itself.
    theirs.compact(false).await.unwrap();
    let mut forward = foreign(&ours, &theirs, changes(&ours).await.len() - 1, &[]).await;
    let kept = changes(&ours).await.into_iter().skip(3).take(1);
    let kept = kept
        .map(|record| Kept {
            record,
            gone: false,
        })
        .collect();
    forward.arrivals[0].history = theirs.frame_log().keep_bundles(kept).await.unwrap();
    publish(&theirs, forward).await.unwrap();
    assert_eq!(keys(&theirs, None).await.unwrap(), expected);
    assert_eq!(tip(&theirs).await, published.commit);

    // The history of the merge stays when what was tracked is not any more.
    ours.set_tracking("origin", None).await.unwrap();
    let with = objects(&ours).await;
    sweep_all(&ours, &clock).await;
    assert_eq!(objects(&ours).await, with);
    put(&ours, Append, [60]).await;
    ours.compact(false).await.unwrap();
    put(&ours, Replace, [1]).await;
    put(&ours, Replace, [2]).await;
    ours.expire(false).await.unwrap();
    sweep_all(&ours, &clock).await;
    assert_sound(&store).await;
    assert!(objects(&ours).await < with);
    assert_eq!(log.bundles(&history).await.unwrap().len(), 2);
    assert_eq!(keys(&ours, None).await.unwrap(), [2]);
}

#[tokio::test]
async fn what_is_tracked_no_more_is_not_merged() {
    let (store, _) = store().await;
    let (ours, theirs) = apart(&store).await;
    let (tracking, history) = fetched(&ours, &theirs).await;
    let merge = Merged {
        tracked: Some(("origin".into(), tracking)),
        ..merged(&ours, &theirs, history).await
    };
    ours.set_tracking("origin", None).await.unwrap();
    let refused = ours.frame_log().publish_merge(merge).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_merge_of_deleted_frames_is_deleted_and_can_be_undeleted() {
    let (store, _) = store().await;
    let (ours, theirs) = apart(&store).await;
    let (_, history) = fetched(&ours, &theirs).await;
    let merge = Merged {
        deleted: true,
        ..merged(&ours, &theirs, history).await
    };
    ours.frame_log().publish_merge(merge).await.unwrap();
    assert!(!ours.exists().await.unwrap());
    ours.undelete().await.unwrap();
    assert_eq!(keys(&ours, None).await.unwrap().len(), 240);
}

#[tokio::test]
async fn what_was_given_up_here_is_spared_when_it_comes_back_until_a_sweep_is_at_it() {
    let (store, clock) = store().await;
    let (source, target) = (frame(&store, "source"), frame(&store, "target"));
    for start in 0..12 {
        put(&source, Append, (start..100).step_by(12)).await;
    }
    publish(&target, foreign(&source, &target, 0, &[]).await)
        .await
        .unwrap();
    target.compact(false).await.unwrap();
    put(&source, Upsert, [0, 1]).await;
    let late = foreign(&source, &target, 12, &[]).await;
    for (name, seconds, sweeping) in [
        ("soon", 0, false),
        ("late", 5 * DAY, false),
        ("swept", 5 * DAY, true),
    ] {
        let here = frame(&store, name);
        publish(&here, foreign(&source, &here, 0, &[]).await)
            .await
            .unwrap();
        put(&here, Replace, [1]).await;
        put(&here, Replace, [2]).await;
        here.expire(false).await.unwrap();
        let condemned = head(&here).await.state.retained.condemned.clone();
        assert_eq!(condemned.len(), 1);
        clock.wait(seconds);
        if sweeping {
            claim(&here, &condemned[0].list, "sweep").await;
        }
        let back = changes(&source).await.last().unwrap().clone();
        let kept = Kept {
            record: back,
            gone: false,
        };
        let history = here.frame_log().keep_bundles(vec![kept]).await.unwrap();
        let tracking = Tracking {
            frame: source.id().name.clone(),
            bucket: None,
            tip: tip(&source).await,
            common: None,
            ahead: 0,
            behind: 0,
            history,
            at: here.frame_log().now(),
            fork: None,
        };
        let kept = here.set_tracking("origin", Some(tracking)).await;
        match sweeping {
            false => assert!(kept.unwrap().is_some()),
            true => {
                let refused = kept.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
                assert!(refused.to_string().contains("sweep"), "{refused}");
            }
        }
        sweep_all(&here, &clock).await;
        assert!(head(&here).await.state.retained.condemned.is_empty());
        if sweeping {
            continue;
        }
        assert_sound(&store).await;
        let added = &late.arrivals[0].record.commit.added[0].id;
        let log = here.frame_log();
        let path = log.paths().segment(added);
        assert!(log.objects().size(&path).await.unwrap().is_some());
    }
}

/// What another process leaves that has begun to remove what is on a list, or to spare some of it.
async fn claim(frame: &Frame, list: &str, word: &'static str) {
    let log = frame.frame_log();
    let path = log.paths().claim(list);
    let created = log
        .objects()
        .create(&path, Bytes::from_static(word.as_bytes()));
    assert_eq!(created.await.unwrap(), Created::Yes);
}

#[tokio::test]
async fn what_somebody_wanted_to_spare_and_did_not_is_swept() {
    let (store, clock) = store().await;
    let here = frame(&store, "here");
    for n in 0..4 {
        put(&here, Replace, [n]).await;
    }
    here.expire(false).await.unwrap();
    let condemned = head(&here).await.state.retained.condemned.clone();
    assert_eq!(condemned.len(), 1);
    claim(&here, &condemned[0].list, "spare").await;
    let before = objects(&here).await;
    clock.wait(3 * DAY);
    let swept = here.sweep(false).await.unwrap();
    assert!(swept.objects > 0);
    assert!(head(&here).await.state.retained.condemned.is_empty());
    // The claim went, too.
    assert_eq!(objects(&here).await, before - 2 - swept.objects as usize);
    assert_sound(&store).await;
}

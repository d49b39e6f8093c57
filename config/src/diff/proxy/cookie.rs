//! `proxy.pool.cookie` and `proxy.pool.app_cookie`.

use super::super::record::Record;
use crate::model::{AppCookie, Cookie};

pub(super) fn compare(record: &mut Record, path: &str, old: Option<&Cookie>, new: Option<&Cookie>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(&format!("{path}.name"), &old.name, &new.name);
    record.key(&format!("{path}.mode"), &old.mode, &new.mode);
    record.key(&format!("{path}.indirect"), &old.indirect, &new.indirect);
    record.key(&format!("{path}.preserve"), &old.preserve, &new.preserve);
    record.key(&format!("{path}.nocache"), &old.nocache, &new.nocache);
    record.key(&format!("{path}.postonly"), &old.postonly, &new.postonly);
    record.key(&format!("{path}.domain"), &old.domain, &new.domain);
    record.key(&format!("{path}.secure"), &old.secure, &new.secure);
    record.key(&format!("{path}.httponly"), &old.httponly, &new.httponly);
    record.optional(&format!("{path}.same_site"), old.same_site.as_ref(), new.same_site.as_ref());
    record.optional(&format!("{path}.max_idle"), old.max_idle.as_ref(), new.max_idle.as_ref());
    record.optional(&format!("{path}.max_life"), old.max_life.as_ref(), new.max_life.as_ref());
}

pub(super) fn compare_app(record: &mut Record, path: &str, old: Option<&AppCookie>, new: Option<&AppCookie>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(&format!("{path}.name"), &old.name, &new.name);
    record.key(&format!("{path}.length"), &old.length, &new.length);
    record.key(&format!("{path}.expire"), &old.expire, &new.expire);
    record.key(&format!("{path}.size"), &old.size, &new.size);
    record.key(&format!("{path}.prefix"), &old.prefix, &new.prefix);
    record.key(&format!("{path}.request_learn"), &old.request_learn, &new.request_learn);
    record.optional(&format!("{path}.mode"), old.mode.as_ref(), new.mode.as_ref());
}

//! `proxy.pool.cookie` and `proxy.pool.app_cookie`.

use super::super::record::Record;
use crate::model::{AppCookie, Cookie};

pub(super) fn compare(record: &mut Record, path: &str, old: Option<&Cookie>, new: Option<&Cookie>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(format_args!("{path}.name"), &old.name, &new.name);
    record.key(format_args!("{path}.mode"), &old.mode, &new.mode);
    record.key(format_args!("{path}.indirect"), &old.indirect, &new.indirect);
    record.key(format_args!("{path}.preserve"), &old.preserve, &new.preserve);
    record.key(format_args!("{path}.nocache"), &old.nocache, &new.nocache);
    record.key(format_args!("{path}.postonly"), &old.postonly, &new.postonly);
    record.key(format_args!("{path}.domain"), &old.domain, &new.domain);
    record.key(format_args!("{path}.secure"), &old.secure, &new.secure);
    record.key(format_args!("{path}.httponly"), &old.httponly, &new.httponly);
    record.optional(format_args!("{path}.same_site"), old.same_site.as_ref(), new.same_site.as_ref());
    record.optional(format_args!("{path}.max_idle"), old.max_idle.as_ref(), new.max_idle.as_ref());
    record.optional(format_args!("{path}.max_life"), old.max_life.as_ref(), new.max_life.as_ref());
}

pub(super) fn compare_app(record: &mut Record, path: &str, old: Option<&AppCookie>, new: Option<&AppCookie>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(format_args!("{path}.name"), &old.name, &new.name);
    record.key(format_args!("{path}.length"), &old.length, &new.length);
    record.key(format_args!("{path}.expire"), &old.expire, &new.expire);
    record.key(format_args!("{path}.size"), &old.size, &new.size);
    record.key(format_args!("{path}.prefix"), &old.prefix, &new.prefix);
    record.key(format_args!("{path}.request_learn"), &old.request_learn, &new.request_learn);
    record.optional(format_args!("{path}.mode"), old.mode.as_ref(), new.mode.as_ref());
}

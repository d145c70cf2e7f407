//! The whole matrix of [`super::authorise`], as a snapshot that people can read.

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use chrono::DateTime;
    use uuid::Uuid;

    use crate::auth::{Action, Actor, Credential, Resource, Role, Verdict, authorise};

    fn actor(role: Role) -> Actor {
        Actor {
            subject: "me".into(),
            name: None,
            roles: vec![role],
            bodies: vec!["OWN".into()],
            expires_at: DateTime::UNIX_EPOCH,
            credential: Credential::Embedded,
        }
    }

    const CASES: [(&str, Resource<'static>); 6] = [
        (
            "own",
            Resource {
                body: Some("OWN"),
                depositor: Some("other"),
                accepted: false,
                assignee: None,
            },
        ),
        (
            "own, accepted",
            Resource {
                body: Some("OWN"),
                depositor: Some("other"),
                accepted: true,
                assignee: None,
            },
        ),
        (
            "own, deposited by me",
            Resource {
                body: Some("OWN"),
                depositor: Some("me"),
                accepted: false,
                assignee: None,
            },
        ),
        (
            "own, assigned to me",
            Resource {
                body: Some("OWN"),
                depositor: Some("other"),
                accepted: false,
                assignee: Some("me"),
            },
        ),
        (
            "another's",
            Resource {
                body: Some("OTHER"),
                depositor: Some("other"),
                accepted: true,
                assignee: Some("me"),
            },
        ),
        (
            "nobody's",
            Resource {
                body: None,
                depositor: None,
                accepted: false,
                assignee: None,
            },
        ),
    ];

    #[test]
    fn the_matrix_is_the_one_that_was_agreed() {
        let mut table = String::new();
        for (case, resource) in CASES {
            writeln!(
                table,
                "\n# {case}\n{:<18} ADMIN ARCHI CONTR READR WORKR",
                ""
            )
            .expect("a String takes it");
            for action in Action::ALL {
                write!(table, "{:<18}", format!("{action:?}")).expect("a String takes it");
                for role in Role::ALL {
                    let cell = match authorise(&actor(role), action, &resource) {
                        Verdict::Allowed => "yes",
                        Verdict::Forbidden => "no",
                        Verdict::Hidden => ".",
                    };
                    write!(table, " {cell:<5}").expect("a String takes it");
                }
                table.truncate(table.trim_end().len());
                table.push('\n');
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_key_with_the_role_of_an_admin_makes_no_other_key() {
        let mut key = actor(Role::Admin);
        let may = |key: &Actor, action| authorise(key, action, &Resource::default());
        assert_eq!(may(&key, Action::CreateApiKey), Verdict::Allowed);
        key.credential = Credential::ApiKey(Uuid::nil().into());
        assert_eq!(may(&key, Action::CreateApiKey), Verdict::Forbidden);
        assert_eq!(may(&key, Action::RevokeApiKey), Verdict::Allowed);
    }

    #[test]
    fn nobody_without_a_role_may_do_anything() {
        let mut nobody = actor(Role::Reader);
        nobody.roles.clear();
        for (_, resource) in CASES {
            for action in Action::ALL {
                assert_eq!(authorise(&nobody, action, &resource), Verdict::Hidden);
            }
        }
    }
}

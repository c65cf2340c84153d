import { type RawBuilder, sql } from 'kysely'

/** Ids of what stands in the database: what waits, what was approved, what passed by itself, what was revoked. */
export interface ForgedIds {
  waiting: number
  approved: number
  auto: number
  revoked: number
  revocation: number
}

/** What somebody who can write the database may do to the records, and what audit verify then says. */
export function forgeries(ids: ForgedIds): [string, () => RawBuilder<unknown>, RegExp][] {
  return [
    [
      'an outcome auto',
      () => sql`update decisions set outcome = 'auto' where sign_request_id = ${ids.waiting}`,
      /decided as auto, its first event says require/,
    ],
    [
      'a quorum lowered',
      () =>
        sql`update decisions set steps = replace(steps, '"quorum":2', '"quorum":1') where sign_request_id = ${ids.waiting}`,
      /steps of its decision/,
    ],
    [
      'a vote that nobody gave',
      () =>
        sql`insert into votes (decision_id, step, user_id, verdict, override, created_at) select d.id, 0, u.id, 'approve', 0, 1 from decisions d, users u where d.sign_request_id = ${ids.waiting} and u.name = 'carol'`,
      /has a vote of carol that no event tells of/,
    ],
    [
      'a vote taken out',
      () => sql`delete from votes where user_id = (select id from users where name = 'bob')`,
      /the vote of bob is gone/,
    ],
    [
      'a vote moved to another',
      () =>
        sql`update votes set user_id = (select id from users where name = 'carol') where user_id = (select id from users where name = 'bob')`,
      /vote of carol that no event/,
    ],
    [
      'a vote of one behind the request',
      () =>
        sql`update sign_requests set requester = replace(requester, '"people":[', '"people":[' || (select id from users where name = 'bob')) where id = ${ids.approved}`,
      /sign_request \d+ was decided with the vote of bob/,
    ],
    [
      'a decision taken out',
      () => sql`delete from decisions where sign_request_id = ${ids.waiting}`,
      /the decision on sign_request \d+ is gone/,
    ],
    [
      'a remembered approval of something that was not approved',
      () => sql`update decisions set outcome = 'denied' where sign_request_id = ${ids.approved}`,
      /passed by the decision \d+, which approved nothing/,
    ],
    ['a request taken out', () => sql`delete from sign_requests where id = ${ids.auto}`, /sign_request \d+ is gone/],
    ['a certificate taken out', () => sql`delete from certificates where id = ${ids.auto}`, /certificate \d+ is gone/],
    [
      'a certificate put in',
      () => sql`update certificates set id = ${ids.waiting} where id = ${ids.auto}`,
      /certificate \d+ was issued by no event/,
    ],
    [
      'another serial',
      () => sql`update certificates set serial = 'abcd' where id = ${ids.auto}`,
      /has the serial abcd/,
    ],
    [
      'another certificate in its place',
      () =>
        sql`update certificates set der = (select der from certificates where id = ${ids.revoked}) where id = ${ids.auto}`,
      /not the one that was issued/,
    ],
    [
      'a revocation taken out',
      () => sql`delete from revoke_requests where id = ${ids.revocation}`,
      /revoke_request \d+ is gone/,
    ],
    [
      'a certificate good again',
      () => sql`update certificates set status = 'issued' where id = ${ids.revoked}`,
      /certificate \d+ is issued, its last event says revoked/,
    ],
    [
      'a certificate revoked by hand',
      () => sql`update certificates set status = 'revoked' where id = ${ids.auto}`,
      /is revoked, its last event says nothing/,
    ],
    [
      'a reason without a revocation',
      () => sql`update certificates set revocation_reason = 'superseded' where id = ${ids.auto}`,
      /is issued, and yet has/,
    ],
    [
      'another reason',
      () => sql`update certificates set revocation_reason = 'keyCompromise' where id = ${ids.revoked}`,
      /revoked for keyCompromise, its event says superseded/,
    ],
    [
      'another moment',
      () => sql`update certificates set revoked_at = 5 where id = ${ids.revoked}`,
      /revoked at 1970-01-01T00:00:00.005Z/,
    ],
    ['a superuser', () => sql`update users set superuser = 1 where name = 'alice'`, /user alice is superuser/],
    ['an administrator', () => sql`update users set admin = 1 where name = 'alice'`, /user alice is admin/],
    ['a user disabled', () => sql`update users set enabled = 0 where name = 'alice'`, /user alice is not enabled/],
    [
      'a user in another organization',
      () =>
        sql`update users set organization_id = (select id from organizations where name = 'elsewhere') where name = 'alice'`,
      /user alice was moved/,
    ],
    [
      'a user renamed',
      () => sql`update users set name = 'mallory' where name = 'alice'`,
      /user mallory was made as alice/,
    ],
    [
      'a user whom nobody made',
      () =>
        sql`insert into users (uuid, organization_id, name, superuser, admin, enabled, created_at) values ('x', 1, 'eve', 0, 0, 1, 1)`,
      /user eve was made by no event/,
    ],
    [
      'a role',
      () =>
        sql`insert into role_members (role_id, user_id) select r.id, u.id from roles r, users u where u.name = 'bob'`,
      /user \d+ has the role security, by no event/,
    ],
    [
      'a capability',
      () => sql`insert into capabilities (user_id, capability) select id, 'manage' from users where name = 'bob'`,
      /has the capability manage/,
    ],
    ['a capability widened', () => sql`update capabilities set capability = 'manage'`, /has the capability manage/],
    [
      'a token of somebody else',
      () => sql`update tokens set user_id = (select id from users where name = 'bob')`,
      /token \S+ is bob's, its event says alice's/,
    ],
    [
      'a token with a scope of its own',
      () => sql`update tokens set scope = '{"capabilities":["approve"]}'`,
      /token \S+ has another scope than it was made with/,
    ],
    [
      'a way to log in',
      () =>
        sql`insert into user_identities (uuid, user_id, issuer, subject, created_at) select 'x', id, 'https://id.test', 'eve', 1 from users where name = 'alice'`,
      /user \d+ logs in by eve, by no event/,
    ],
    [
      'a way to log in of another',
      () => sql`update user_identities set user_id = (select id from users where name = 'alice')`,
      /user \d+ logs in by bobs subject, by no event/,
    ],
    ['a token revoked', () => sql`update tokens set revoked_at = 1`, /is revoked, its last event says otherwise/],
    ['rules', () => sql`update ra_profiles set rules = '{}' where name = 'guarded'`, /profile guarded: rules/],
    [
      'settings of a profile',
      () => sql`update ra_profiles set settings = '{"a":1}' where name = 'guarded'`,
      /profile guarded: settings/,
    ],
    [
      'the authority of a profile',
      () =>
        sql`update ra_profiles set authority_id = (select id from authorities where name = 'root') where name = 'guarded'`,
      /profile guarded: authorityId/,
    ],
    [
      'an authority switched off',
      () => sql`update authorities set enabled = 0 where name = 'root'`,
      /authority root: enabled/,
    ],
    [
      'settings of an authority',
      () => sql`update authorities set settings = '{"a":1}' where name = 'root'`,
      /authority root: settings/,
    ],
    [
      'text that is no JSON',
      () => sql`update decisions set steps = '[' where sign_request_id = ${ids.waiting}`,
      /steps of its decision/,
    ],
  ]
}

import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Requests, the decisions on them, what came of them, and the records of it all. */
export async function requestTables(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await requests(db, columns)
  await decisions(db, columns)
  await certificates(db, columns)
  await records(db, columns)
}

async function requests(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'sign_requests', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      profile_id: 'int! ra_profiles.id',
      authority_id: 'int! authorities.id',
      status: 'text!',
      revision: 'int!',
      action: 'text!',
      protocol: 'text!',
      origin_ref: 'text',
      origin_generation: 'int!',
      requester: 'text!',
      requester_key: 'text!',
      source_address: 'text',
      csr: 'blob',
      spki_hash: 'text',
      wanted: 'text!',
      findings: 'text!',
      renews_id: 'int',
      attempt: 'int!',
      last_error: 'text',
      reason: 'text',
      answered: 'flag=0',
      created_at: 'int!',
      updated_at: 'int!',
      expires_at: 'int',
      ended_at: 'int',
    },
    unique: [['uuid']],
  })
  await columns.uniqueWhere(db, {
    name: 'sign_requests_origin',
    table: 'sign_requests',
    columns: ['protocol', 'origin_ref', 'origin_generation'],
    where: sql`origin_ref is not null`,
  })
  await columns.uniqueWhere(db, {
    name: 'sign_requests_open_origin',
    table: 'sign_requests',
    columns: ['protocol', 'origin_ref'],
    where: sql`origin_ref is not null and status in ('draft', 'requested', 'signing')`,
  })
  await columns.uniqueWhere(db, {
    name: 'sign_requests_open',
    table: 'sign_requests',
    columns: ['status', 'id'],
    where: sql`status in ('draft', 'requested', 'signing', 'failed')`,
  })
  await createTable(db, columns, 'revoke_requests', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      profile_id: 'int ra_profiles.id',
      authority_id: 'int! authorities.id',
      certificate_id: 'int!',
      status: 'text!',
      revision: 'int!',
      protocol: 'text!',
      requester: 'text!',
      requester_key: 'text!',
      source_address: 'text',
      code: 'text',
      facts: 'text!',
      findings: 'text!',
      last_error: 'text',
      reason: 'text',
      created_at: 'int!',
      updated_at: 'int!',
      expires_at: 'int',
      ended_at: 'int',
    },
    unique: [['uuid']],
    indexes: [['certificate_id']],
  })
  await columns.uniqueWhere(db, {
    name: 'revoke_requests_one_open',
    table: 'revoke_requests',
    columns: ['certificate_id'],
    where: sql`status in ('requested', 'revoking')`,
  })
}

async function decisions(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'decisions', {
    columns: {
      id: 'id',
      sign_request_id: 'int sign_requests.id',
      revoke_request_id: 'int revoke_requests.id',
      revision: 'int!',
      outcome: 'text!',
      rule: 'text!',
      rule_version: 'text!',
      steps: 'text!',
      step: 'int!',
      hash: 'text!',
      created_at: 'int!',
      decided_at: 'int',
    },
  })
  for (const kind of ['sign', 'revoke']) {
    await columns.uniqueWhere(db, {
      name: `decisions_one_a_${kind}_revision`,
      table: 'decisions',
      columns: [`${kind}_request_id`, 'revision'],
      where: sql`${sql.ref(`${kind}_request_id`)} is not null`,
    })
  }
  await createTable(db, columns, 'votes', {
    columns: {
      id: 'id',
      decision_id: 'int! decisions.id',
      step: 'int!',
      user_id: 'int! users.id',
      verdict: 'text!',
      override: 'flag',
      reason: 'text',
      remember: 'int',
      created_at: 'int!',
    },
    unique: [['decision_id', 'user_id']],
  })
  await createTable(db, columns, 'comments', {
    columns: {
      id: 'id',
      sign_request_id: 'int sign_requests.id',
      revoke_request_id: 'int revoke_requests.id',
      user_id: 'int! users.id',
      text: 'text!',
      created_at: 'int!',
    },
    indexes: [['sign_request_id'], ['revoke_request_id']],
  })
  await createTable(db, columns, 'remembered_approvals', {
    columns: {
      id: 'id',
      decision_id: 'int! decisions.id',
      profile_id: 'int! ra_profiles.id',
      action: 'text!',
      requester_key: 'text!',
      rule_version: 'text!',
      scope: 'text!',
      created_at: 'int!',
      expires_at: 'int!',
    },
    indexes: [['requester_key', 'profile_id']],
  })
}

async function certificates(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'sign_attempts', {
    columns: {
      id: 'id',
      sign_request_id: 'int! sign_requests.id',
      number: 'int!',
      decision_id: 'int! decisions.id',
      authority_certificate_id: 'int authority_certificates.id',
      serial: 'text!',
      shard: 'int!',
      lease_owner: 'text!',
      lease_until: 'int!',
      created_at: 'int!',
    },
    unique: [['sign_request_id', 'number'], ['serial']],
  })
  await createTable(db, columns, 'certificates', {
    columns: {
      id: 'int! sign_requests.id',
      organization_id: 'int! organizations.id',
      profile_id: 'int ra_profiles.id',
      authority_id: 'int! authorities.id',
      authority_certificate_id: 'int authority_certificates.id',
      serial: 'text!',
      der: 'blob!',
      fingerprint: 'text!',
      spki_hash: 'text!',
      subject: 'text!',
      identifiers: 'text!',
      key_algorithm: 'text!',
      not_before: 'int!',
      not_after: 'int!',
      status: 'text!',
      revoked_at: 'int',
      revocation_reason: 'text',
      shard: 'int!',
      source: 'text!',
      requester_key: 'text!',
      renews_id: 'int',
      created_at: 'int!',
    },
    primaryKey: ['id'],
    unique: [['serial', 'authority_id']],
    indexes: [['fingerprint'], ['spki_hash']],
  })
  await columns.uniqueWhere(db, {
    name: 'certificates_withdrawn',
    table: 'certificates',
    columns: ['authority_certificate_id', 'shard', 'id'],
    where: sql`status <> 'issued'`,
  })
}

async function records(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'audit_events', {
    columns: {
      id: 'id',
      at: 'int!',
      organization_id: 'int',
      action: 'text!',
      subject_kind: 'text!',
      subject_id: 'int',
      status: 'text',
      actor: 'text!',
      source_address: 'text',
      details: 'text!',
    },
    indexes: [['subject_kind', 'subject_id', 'id']],
  })
  await createTable(db, columns, 'audit_seals', {
    columns: { position: 'int!', event_id: 'int! audit_events.id', hash: 'text!' },
    primaryKey: ['position'],
    unique: [['event_id']],
  })
  await createTable(db, columns, 'alerts', {
    columns: {
      id: 'id',
      organization_id: 'int',
      kind: 'text!',
      subject_kind: 'text!',
      subject_id: 'int',
      detail: 'text!',
      created_at: 'int!',
      closed_at: 'int',
    },
    indexes: [['closed_at', 'id']],
  })
  await createTable(db, columns, 'jobs', {
    columns: {
      id: 'id',
      kind: 'text!',
      ref: 'text!',
      run_at: 'int!',
      attempts: 'int!',
      lease_owner: 'text',
      lease_until: 'int',
      last_error: 'text',
      created_at: 'int!',
    },
    unique: [['kind', 'ref']],
    indexes: [['run_at']],
  })
}

import { type Kysely, sql } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** The core's tables; src/core/tables.ts says what their columns hold. */
export async function core(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await identity(db, columns)
  await authorities(db, columns)
  await requests(db, columns)
  await decisions(db, columns)
  await certificates(db, columns)
  await records(db, columns)
}

async function identity(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'settings', { columns: { name: 'text!', value: 'text!' }, primaryKey: ['name'] })
  await createTable(db, columns, 'organizations', {
    columns: { id: 'id', uuid: 'text!', name: 'text!', created_at: 'int!' },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'users', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      password_hash: 'text',
      superuser: 'flag',
      admin: 'flag',
      enabled: 'flag',
      created_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'roles', {
    columns: { id: 'id', organization_id: 'int! organizations.id', name: 'text!' },
    unique: [['organization_id', 'name']],
  })
  await createTable(db, columns, 'role_members', {
    columns: { role_id: 'int! roles.id', user_id: 'int! users.id' },
    primaryKey: ['role_id', 'user_id'],
    indexes: [['user_id']],
  })
  await createTable(db, columns, 'tokens', {
    columns: {
      id: 'id',
      uuid: 'text!',
      user_id: 'int! users.id',
      name: 'text!',
      hash: 'text!',
      created_at: 'int!',
      expires_at: 'int',
      revoked_at: 'int',
    },
    unique: [['uuid'], ['hash']],
  })
  await createTable(db, columns, 'setup_links', {
    columns: { id: 'id', user_id: 'int! users.id', hash: 'text!', expires_at: 'int!', used_at: 'int' },
    unique: [['hash']],
  })
}

async function authorities(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'sealed_keys', {
    columns: { id: 'id', uuid: 'text!', purpose: 'text!', spki_hash: 'text!', sealed: 'blob!', created_at: 'int!' },
    unique: [['uuid']],
    indexes: [['spki_hash']],
  })
  await createTable(db, columns, 'authorities', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      kind: 'text!',
      owner_id: 'int users.id',
      enabled: 'flag',
      version: 'int=1',
      revocations: 'int=0',
      crl_number: 'int=0',
      settings: 'text!',
      created_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'authority_certificates', {
    columns: {
      id: 'id',
      authority_id: 'int! authorities.id',
      key_id: 'int sealed_keys.id',
      certificate: 'blob!',
      chain: 'text!',
      spki_hash: 'text!',
      not_after: 'int!',
      active: 'flag',
      created_at: 'int!',
    },
    indexes: [['authority_id']],
  })
  await columns.uniqueWhere(db, {
    name: 'authority_certificates_active',
    table: 'authority_certificates',
    columns: ['authority_id'],
    where: sql`active = 1`,
  })
  await createTable(db, columns, 'responders', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      key_id: 'int! sealed_keys.id',
      certificate: 'blob!',
      not_before: 'int!',
      not_after: 'int!',
    },
    indexes: [['authority_certificate_id', 'not_after']],
  })
  await createTable(db, columns, 'crls', {
    columns: {
      id: 'id',
      authority_certificate_id: 'int! authority_certificates.id',
      shard: 'int!',
      number: 'int!',
      revocations: 'int!',
      der: 'blob!',
      this_update: 'int!',
      next_update: 'int!',
    },
    unique: [['authority_certificate_id', 'shard', 'number']],
  })
  await createTable(db, columns, 'ra_profiles', {
    columns: {
      id: 'id',
      uuid: 'text!',
      organization_id: 'int! organizations.id',
      name: 'text!',
      authority_id: 'int! authorities.id',
      enabled: 'flag',
      builtin: 'flag',
      version: 'int=1',
      settings: 'text!',
      protocols: 'text!',
      rules: 'text!',
      created_at: 'int!',
      updated_at: 'int!',
    },
    unique: [['uuid'], ['name']],
  })
  await createTable(db, columns, 'capabilities', {
    columns: {
      id: 'id',
      user_id: 'int users.id',
      role_id: 'int roles.id',
      authority_id: 'int authorities.id',
      profile_id: 'int ra_profiles.id',
      capability: 'text!',
    },
    indexes: [['user_id'], ['role_id']],
  })
  await createTable(db, columns, 'blocked_keys', {
    columns: { spki_hash: 'text!', reason: 'text!', created_at: 'int!' },
    primaryKey: ['spki_hash'],
  })
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

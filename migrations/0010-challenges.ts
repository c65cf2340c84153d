import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'
import { createTable } from './table.ts'

/** Passwords with which devices enrol (docs/operate/challenges.md); src/core/tables.ts says what the columns hold. */
export async function challenges(db: Kysely<unknown>, columns: Columns): Promise<void> {
  await createTable(db, columns, 'challenges', {
    columns: {
      id: 'id',
      uuid: 'text!',
      kind: 'text!',
      hash: 'text',
      sealed: 'blob',
      profile_id: 'int! ra_profiles.id',
      organization_id: 'int! organizations.id',
      subject: 'text',
      identifiers: 'text',
      uses: 'int',
      used: 'int=0',
      note: 'text',
      created_by: 'int users.id',
      created_at: 'int!',
      expires_at: 'int',
      used_at: 'int',
      revoked_at: 'int',
    },
    unique: [['uuid'], ['profile_id', 'hash']],
  })
  await createTable(db, columns, 'challenge_uses', {
    columns: {
      challenge_id: 'int! challenges.id',
      spki_hash: 'text!',
      transaction_hash: 'text!',
      created_at: 'int!',
    },
    primaryKey: ['challenge_id', 'spki_hash', 'transaction_hash'],
  })
}

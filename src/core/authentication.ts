import type { Database } from '../db/open.ts'
import { Failure } from './failure.ts'
import { setPassword, useSetupLink, verifyPassword } from './login.ts'
import type { Requester } from './requester.ts'
import { findToken } from './token.ts'

/** How the console and the command line learn who asks; adapters have their own ways. */
export interface Authentication {
  /** Undefined for a token that is unknown, revoked, past its time, or whose user is disabled. */
  token(text: string): Promise<Requester | undefined>
  /** Undefined alike for an unknown name and a wrong password. */
  password(name: string, password: string): Promise<Requester | undefined>
  /** Sets the first or a new password by a one-time secret; answers the user's name. Throws Failure('unauthenticated' | 'malformed'). */
  usePasswordLink(secret: string, password: string): Promise<string>
  /** Replaces a password by one who knows it. Throws Failure('unauthenticated' | 'malformed'). */
  changePassword(name: string, password: string, next: string): Promise<void>
}

export function createAuthentication({ db, clock }: { db: Database; clock: () => Date }): Authentication {
  return {
    token: (text) => findToken(db, text, clock()),
    password: (name, password) => verifyPassword(db, name, password),
    usePasswordLink: async (secret, password) => (await useSetupLink(db, secret, password, clock())).name,
    changePassword: async (name, password, next) => {
      const actor = await verifyPassword(db, name, password)
      const [id] = actor?.people ?? []
      if (!actor || id === undefined) throw new Failure('unauthenticated', 'the name or the password is wrong')
      await setPassword(db, { actor, at: clock() }, id, next)
    },
  }
}

import { Failure } from '../../src/core/failure.ts'
import { loginPlace } from '../../src/http/session.ts'
import type { Call } from './operation.ts'

const LEAST = 12
const MOST = 200

/** By the contract's rule, and by ours, which asks for more characters: before there is a user. Throws Failure('malformed'). */
export function requireStrong(password: string): void {
  const strong = password.length >= 8 && /[A-Z]/.test(password) && /[a-z]/.test(password) && /[^A-Za-z]/.test(password)
  if (!strong)
    throw new Failure(
      'malformed',
      'Password must have 8 or more characters, must include at least one capital letter, one lowercase letter, and either a number or a symbol',
    )
  const characters = [...password.normalize('NFC')].length
  if (characters < LEAST) throw new Failure('malformed', `Password must have ${LEAST} or more characters here`)
  if (characters > MOST) throw new Failure('malformed', `Password must have at most ${MOST} characters here`)
}

/**
 * Sets another user's password, as his administrator: his first one, and, by a superuser, any. Throws Failure('forbidden') for the password
 * of one who can log in, who sets it himself.
 */
export async function setPassword({ host, door, incoming }: Call, user: string, password: string): Promise<void> {
  requireStrong(password)
  const { secret } = await door.admin.createSetupLink(user)
  await host.core.authentication.usePasswordLink(secret, password, loginPlace(host, incoming))
}

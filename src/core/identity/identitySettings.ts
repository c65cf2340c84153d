import type { Installation } from '../installation.ts'

/** How people and programs log in, as configured. */
export interface IdentitySettings {
  /** Milliseconds without a request after which a session ends. */
  sessionIdle: number
  /** Milliseconds after which it ends in any case. */
  sessionLength: number
  /** Milliseconds; absent: tokens may be without an end. */
  longestToken?: number
  /** Names of the authorities whose certificates log in. */
  loginAuthorities: readonly string[]
}

export const defaultIdentitySettings: IdentitySettings = {
  sessionIdle: 30 * 60_000,
  sessionLength: 12 * 3_600_000,
  loginAuthorities: [],
}

export function identitySettings({ identity }: Pick<Installation, 'identity'>): IdentitySettings {
  return identity ?? defaultIdentitySettings
}

/** What comes of a look at one place. */
export type Look =
  | {
      outcome: 'found'
      /** DER, at most 16: of a server its own first, then as it sent them. Nobody has read them. */
      certificates: Buffer[]
      /** What was left out, in a sentence. */
      note?: string
    }
  | { outcome: LookFailure; detail: string }

/** unreachable: nobody answers; refused: the networks that may be reached leave it out; unreadable: what is there is no certificate. */
export type LookFailure = 'unreachable' | 'refused' | 'unreadable'

/** How places are looked at; composed outside the core. None of it rejects: what goes wrong is a Look. */
export interface DiscoveryReach {
  /** Shakes hands with a TLS server and believes nothing of it. `host`: a name in lower case, or an address. */
  server(host: string, port: number): Promise<Look>
  /** The files at a path below the one folder that the configuration allows; `path`: its parts. `place`: the file's path there. */
  files(path: readonly string[]): Promise<{ place: string; look: Look }[]>
  /** The process ends: looks that are under way were broken off, and say nothing of their places. */
  readonly stopped: boolean
  /** Breaks them off, for good. */
  stop(): void
}

/** Of one place. */
export const mostCertificates = 16
/** Octets. */
export const largestCertificate = 65_536

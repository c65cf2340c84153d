import { direct } from '../../src/http/direct.ts'
import type { Protocol } from '../../src/protocol.ts'
import { answer } from './answer.ts'
import { adminPage } from './ndesPage.ts'
import { scepOptions } from './options.ts'
import { TELL_OUTCOME, tellOutcome } from './outcome.ts'
import { retention } from './retention.ts'

/** RFC 8894: docs/protocols/scep.md. Over plain HTTP too: messages protect themselves, and many devices speak nothing else. */
export const scep: Protocol = {
  name: 'scep',
  mounts: [
    { path: '/scep', listeners: ['https', 'http'] },
    { path: '/cgi-bin/pkiclient.exe', listeners: ['https', 'http'] },
    { path: '/certsrv/mscep/mscep.dll', listeners: ['https', 'http'] },
    { path: '/CertSrv/mscep/mscep.dll', listeners: ['https', 'http'] },
    // It shows a password, to whoever has shown one.
    { path: '/certsrv/mscep_admin', listeners: ['https'] },
    { path: '/CertSrv/mscep_admin', listeners: ['https'] },
  ],
  options: scepOptions,
  jobs: { [TELL_OUTCOME]: tellOutcome },
  chores: (host) => [retention(host)],
  ...direct((host, incoming) => adminPage(host, incoming) ?? answer(host, incoming)),
}

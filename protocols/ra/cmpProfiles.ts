import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'

const TAG = 'Protocol profiles'

export const NO_CMP_PROFILES =
  'there are no CMP profiles here: CMP is set in the options of an RA profile (protocols.cmp)'

/** There are none: what CMP is like stands in the options of each RA profile. */
export const cmpProfileOperations = [
  operation({
    method: 'get',
    path: '/v1/cmpProfiles',
    tag: TAG,
    summary: 'Always empty: CMP is set on RA profiles.',
    answer: z.array(z.unknown()),
    run: async () => ({ body: [] }),
  }),
  operation({
    method: 'post',
    path: '/v1/cmpProfiles',
    tag: TAG,
    summary: 'Always 422: CMP is set on RA profiles.',
    async run() {
      throw new Unprocessable([NO_CMP_PROFILES])
    },
  }),
  ...(['get', 'put', 'delete'] as const).map((method) =>
    operation({
      method,
      path: '/v1/cmpProfiles/{uuid}',
      tag: TAG,
      summary: 'Always 404: CMP is set on RA profiles.',
      async run() {
        throw new Failure('notFound', NO_CMP_PROFILES)
      },
    }),
  ),
]

import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { baseAttribute } from './attribute.ts'
import { askedOf } from './attributeDepends.ts'
import { asBaseAttribute, attributeUuid, choiceItems, issueDefinitions, revokeDefinitions } from './attributeSchema.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'
import { text } from './text.ts'

/** An answer as a form has it: the value, an item of content, or a list of either. */
const answered = z.record(text(200), z.unknown())

export const attributeCallback = operation({
  method: 'post',
  path: '/v1/raProfiles/{raProfileUuid}/callback',
  tag: 'RA profiles',
  summary:
    'What an answer makes of a question that depends on it: what may be chosen there, or for a group what is asked besides.',
  body: z.object({
    uuid: text(200).nullish(),
    name: text(200).nullish(),
    pathVariable: answered.nullish(),
    requestParameter: answered.nullish(),
    body: answered.nullish(),
  }),
  answer: z.union([
    z.array(baseAttribute),
    z.array(z.object({ reference: z.string().optional(), data: z.unknown(), contentType: z.string().optional() })),
  ]),
  async run({ door, params, body }) {
    const { profile } = await door.serving({ uuid: params.raProfileUuid }, 'ra')
    const all = [issueDefinitions(profile), revokeDefinitions(profile)]
    const meant = ({ name }: { name: string }) =>
      body.uuid ? attributeUuid(profile, name) === body.uuid : name === body.name
    const definitions = all.find((some) => some.some((one) => meant(one) && one.dependsOn !== undefined))
    const definition = definitions?.find(meant)
    if (!definitions || !definition) throw new Failure('notFound', 'there is no such attribute with a callback')
    const { dependsOn = '' } = definition
    const answers = { ...body.pathVariable, ...body.requestParameter, ...body.body }
    const answer = Object.hasOwn(answers, dependsOn) ? answerIn(answers[dependsOn]) : undefined
    if (answer === undefined || answer === null)
      throw new Unprocessable([`body: ${dependsOn}: the answer on which ${definition.name} depends is required`])
    const asked = askedOf([definition], [{ name: dependsOn, content: [{ data: answer }] }])
    return {
      body:
        definition.type === 'group'
          ? asked.map((one) => asBaseAttribute(profile, one))
          : asked.flatMap(({ choices, contentType }) => choiceItems(choices ?? [], contentType)),
    }
  },
})

function answerIn(given: unknown): unknown {
  const [first] = Array.isArray(given) ? given : [given]
  return typeof first === 'object' && first !== null && 'data' in first ? first.data : first
}

import type { RequestAttribute } from './attribute.ts'
import type { AttributeDefinition } from './options.ts'

/** What is asked of whoever has answered this: with the choices that follow from it, and in place of each group its questions. Pure. */
export function askedOf(
  definitions: readonly AttributeDefinition[],
  given: readonly Pick<RequestAttribute, 'name' | 'content'>[],
): AttributeDefinition[] {
  const answers = new Map(given.map(({ name, content }) => [name, content?.[0]?.data]))
  // What is not answered is as its default says.
  for (const { type, name, default: value } of definitions)
    if (type !== 'info' && value !== undefined && !answers.has(name)) answers.set(name, value)
  return definitions.flatMap((definition) => dependent(definition, answers))
}

/** Whatever may be asked of anybody. */
export function everyQuestion(definitions: readonly AttributeDefinition[]): AttributeDefinition[] {
  return definitions.flatMap((definition) => [definition, ...Object.values(definition.questionsBy ?? {}).flat()])
}

function dependent(definition: AttributeDefinition, answers: ReadonlyMap<string, unknown>): AttributeDefinition[] {
  const { dependsOn, choicesBy, questionsBy } = definition
  if (dependsOn === undefined) return [definition]
  const answer = answers.get(dependsOn)
  if (questionsBy) return answer === undefined ? [] : [...(under(questionsBy, answer) ?? [])]
  if (!choicesBy) return [definition]
  if (answer === undefined) return [{ ...definition, required: false }]
  const choices = under(choicesBy, answer) ?? []
  return [{ ...definition, choices, required: definition.required && choices.length > 0 }]
}

function under<T>(by: Record<string, T>, answer: unknown): T | undefined {
  const key = String(answer)
  return Object.hasOwn(by, key) ? by[key] : undefined
}

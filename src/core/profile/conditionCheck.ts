import type { ASTNode } from '@marcbachmann/cel-js'
import { TYPE_VARIABLE, variables } from './conditionEnvironment.ts'
import { checkNetwork, compileExpression } from './conditionFunctions.ts'

/** Something in a condition that this dialect does not have, and where it stands (offset into the source). */
export class ConditionRefused extends Error {
  readonly position: number

  constructor(detail: string, position: number) {
    super(detail)
    this.position = position
  }
}

/** How much work a condition is: units outside macros, inside one, and inside two, and its longest literal list. */
export interface ConditionWork {
  units: [number, number, number]
  longestList: number
}

const MACROS = new Set(['all', 'exists', 'exists_one', 'filter'])
const METHODS = new Set(['contains', 'startsWith', 'endsWith', 'lowerAscii', 'upperAscii', 'size', 'trim', ...MACROS])
/** What a call costs in units, one of which is the cost of a comparison. */
const FUNCTIONS: Readonly<Record<string, number>> = {
  has: 1,
  size: 2,
  int: 2,
  string: 2,
  glob: 40,
  re: 40,
  inNetwork: 20,
}

interface Walk {
  depth: 0 | 1 | 2
  /** The iteration variables in reach. */
  names: ReadonlySet<string>
  work: ConditionWork
}

/**
 * Refuses what CEL has but conditions have not, and measures the rest. Only listed functions exist: `matches` backtracks,
 * `bind`, `map` and `split` make values grow, and times are no facts. Renames `type`, which is a word of CEL itself.
 * Throws ConditionRefused.
 */
export function checkSyntax(ast: ASTNode): ConditionWork {
  const work: ConditionWork = { units: [0, 0, 0], longestList: 0 }
  visit(ast, { depth: 0, names: new Set(), work })
  return work
}

function visit(node: ASTNode, walk: Walk): void {
  walk.work.units[walk.depth] += 1
  switch (node.op) {
    case 'value':
      break
    case 'id':
      visitName(node, walk)
      break
    case '.':
      visit(node.args[0], walk)
      break
    case '!_':
    case '-_':
      visit(node.args, walk)
      break
    case 'list':
      walk.work.longestList = Math.max(walk.work.longestList, node.args.length)
      visitAll(node.args, walk)
      break
    case 'call':
      visitCall(node, walk)
      break
    case 'rcall':
      visitMethod(node, walk)
      break
    case 'map':
    case '.?':
    case '[?]':
      throw new ConditionRefused('maps and optional values cannot be written in a condition', node.pos)
    default:
      visitAll(node.args, walk)
      break
  }
}

function visitAll(nodes: readonly ASTNode[], walk: Walk): void {
  for (const node of nodes) visit(node, walk)
}

function visitName(node: Extract<ASTNode, { op: 'id' }>, walk: Walk): void {
  if (walk.names.has(node.args)) return
  if (!variables.has(node.args)) throw new ConditionRefused(`unknown name ${node.args}`, node.pos)
  if (node.args === 'type') Object.assign(node, { args: TYPE_VARIABLE })
}

function visitCall(node: Extract<ASTNode, { op: 'call' }>, walk: Walk): void {
  const [name, args] = node.args
  const cost = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
  if (cost === undefined) throw new ConditionRefused(`unknown function ${name}${instead(name)}`, node.pos)
  walk.work.units[walk.depth] += cost
  const literal = args[1]
  if (literal?.op === 'value' && typeof literal.args === 'string') checkLiteral(name, literal.args, literal.pos)
  visitAll(args, walk)
}

/** A pattern or network that is written out is checked when the rule is saved, not when the first request meets it. */
function checkLiteral(name: string, text: string, position: number): void {
  try {
    if (name === 're') compileExpression(text)
    if (name === 'inNetwork') checkNetwork(text)
  } catch (error) {
    throw new ConditionRefused(error instanceof Error ? error.message : String(error), position)
  }
}

function visitMethod(node: Extract<ASTNode, { op: 'rcall' }>, walk: Walk): void {
  const [name, receiver, args] = node.args
  if (!METHODS.has(name)) throw new ConditionRefused(`unknown function ${name}${instead(name)}`, node.pos)
  visit(receiver, walk)
  if (MACROS.has(name)) visitMacro(node, walk)
  else visitAll(args, walk)
}

function visitMacro(node: Extract<ASTNode, { op: 'rcall' }>, walk: Walk): void {
  const [name, , [variable, ...body]] = node.args
  if (variable?.op !== 'id') throw new ConditionRefused(`${name}(name, condition) needs a name first`, node.pos)
  if (variables.has(variable.args) || variable.args === TYPE_VARIABLE || walk.names.has(variable.args)) {
    throw new ConditionRefused(`${variable.args} has a meaning already; choose another name`, variable.pos)
  }
  if (walk.depth === 2) throw new ConditionRefused('at most two of all, exists and filter inside each other', node.pos)
  const depth = walk.depth === 0 ? 1 : 2
  visitAll(body, { ...walk, depth, names: new Set([...walk.names, variable.args]) })
}

function instead(name: string): string {
  if (name === 'matches') return '; use re(text, pattern)'
  if (name === 'map') return '; use exists, all or filter'
  return ''
}

/** After the types are known: no lists made of lists, and no comparison that looks into more than two simple values. */
export function checkOperands(node: ASTNode): void {
  for (const child of children(node)) checkOperands(child)
  if (node.op !== '==' && node.op !== '!=' && node.op !== '+' && node.op !== 'in') return
  const [left, right] = node.args
  if (isComposite(left) || (node.op !== 'in' && isComposite(right))) {
    throw new ConditionRefused(`${node.op} takes texts, numbers and booleans; use exists or all for lists`, node.pos)
  }
}

function isComposite(node: ASTNode): boolean {
  const name = (node as { checkedType?: { name?: string } }).checkedType?.name
  return name === undefined || !['string', 'int', 'bool', 'double', 'uint', 'null'].includes(name)
}

function children(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case '!_':
    case '-_':
      return [node.args]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'map':
      return node.args.flat()
    default:
      return node.args
  }
}

/** A text's first sentence, for lists that have no room for more. */
export function firstSentence(text: string): string {
  return text.replace(/\. .*/s, ".");
}

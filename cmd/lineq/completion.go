package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCommand is lineq completion.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCommand) Help() string {
	return `Examples:

    source <(lineq completion bash)                       in ~/.bashrc
    source <(lineq completion zsh)                        in ~/.zshrc, after compinit
    lineq completion fish > ~/.config/fish/completions/lineq.fish`
}

// completeWord is the first argument with which the scripts ask for candidates: the words so far follow it, the last one
// being the one at the cursor.
const completeWord = "__complete"

var completionScripts = map[string]string{
	"bash": `_lineq() {
  local IFS=$'\n'
  COMPREPLY=($(lineq ` + completeWord + ` "${COMP_WORDS[@]:1:COMP_CWORD}"))
}
complete -o default -F _lineq lineq
`,
	"zsh": `_lineq() {
  local -a candidates
  candidates=("${(@f)$(lineq ` + completeWord + ` "${(@)words[2,CURRENT]}")}")
  if [[ -n "$candidates[1]" ]]; then compadd -a candidates; else _files; fi
}
compdef _lineq lineq
`,
	"fish": `complete -c lineq -a '(lineq ` + completeWord + ` (commandline -opc)[2..] (commandline -ct))'
`,
}

func (c completionCommand) Run(a *app) error {
	_, err := fmt.Fprint(a.stdout, completionScripts[c.Shell])
	return err
}

// complete prints what can stand for the last word, one candidate a line: commands, flags, or the words that the flag
// before it takes. It prints nothing where the shell's own completion, of file names, is the better one.
func (a *app) complete(words []string) error {
	if len(words) == 0 {
		return nil
	}
	at, before := a.model.Node, ""
	for _, w := range words[:len(words)-1] {
		for _, child := range at.Children {
			if child.Name == w {
				at = child
				break
			}
		}
		before = w
	}
	for _, candidate := range candidates(at, before, words[len(words)-1]) {
		fmt.Fprintln(a.stdout, candidate)
	}
	return nil
}

func candidates(at *kong.Node, before, word string) []string {
	var all []string
	for _, group := range at.AllFlags(true) {
		for _, f := range group {
			if "--"+f.Name == before && !f.IsBool() {
				return matching(f.EnumSlice(), word)
			}
			all = append(all, "--"+f.Name)
		}
	}
	if !strings.HasPrefix(word, "-") {
		all = nil
		for _, child := range at.Children {
			all = append(all, child.Name)
		}
		for _, p := range at.Positional {
			all = append(all, p.EnumSlice()...)
		}
	}
	return matching(all, word)
}

// matching are the words that begin like this one, sorted.
func matching(all []string, word string) []string {
	var some []string
	for _, s := range all {
		if s != "" && strings.HasPrefix(s, word) {
			some = append(some, s)
		}
	}
	slices.Sort(some)
	return some
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lineq/lineq/lineapi"
)

// messageFlags say what to send.
type messageFlags struct {
	Text    string `xor:"message" help:"Send a text message."`
	Message string `xor:"message" placeholder:"FILE" help:"JSON of a LINE message object or of an array of up to 5; - is stdin."`
}

func (f messageFlags) messages(a *app) ([]lineapi.Message, error) {
	if f.Text != "" {
		return []lineapi.Message{lineapi.Text(f.Text)}, nil
	}
	if f.Message == "" {
		return nil, misuse(errNoText)
	}
	data, err := a.read(f.Message, lineapi.MaxRequestBytes)
	if err != nil {
		return nil, err
	}
	messages, err := lineapi.ParseMessages(data)
	if err != nil {
		return nil, misuse(fmt.Errorf("%s: %w", fileName(f.Message), err))
	}
	return messages, nil
}

// read reads a file, or stdin for "-", of at most limit bytes.
func (a *app) read(path string, limit int64) ([]byte, error) {
	from := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fileError(path, err)
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return nil, fileError(fileName(path), err)
	case int64(len(data)) > limit:
		return nil, misuse(fmt.Errorf("%s: %w: at most %d bytes", fileName(path), errTooLarge, limit))
	}
	return data, nil
}

// readObject reads a file that holds a JSON object, which goes to LINE as it is; no path gives none.
func (a *app) readObject(path string) (json.RawMessage, error) {
	if path == "" {
		return nil, nil
	}
	data, err := a.read(path, lineapi.MaxRequestBytes)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields == nil {
		return nil, misusef("%s: it holds no JSON object", fileName(path))
	}
	return data, nil
}

func fileName(path string) string {
	if path == "-" {
		return "stdin"
	}
	return path
}
